import WebSocket from 'ws'
import { closeCodes } from '../base/close-codes'
import { guard } from '../base/user-code'
import { settle } from './multicast'
import { oversizeIn, putEndsOff, readWholeMessages } from './receiver'
import type { Duplex } from 'node:stream'
import type { RawWebSocket } from '../../types/raw'

/** Frames that wait for the end of the turn. */
export interface HeldFrames {
  /** Hands them to the stream, where what is written next follows them. */
  release (): void
}

type OnWritten = (error?: Error) => void

/** How many answers to pings may wait to be written. */
const MAX_PONGS = 60

const { setSocket } = WebSocket.prototype as unknown as { setSocket (...args: unknown[]): void }

/** The `ws` socket of a session or of a client. */
export class ChannelWebSocket extends WebSocket {
  /** Whether this side has dropped the connection. */
  isTerminated = false
  /** What the connection was closed for, where that was a message larger than `maxPayload`. */
  declare oversize?: string

  // `ws` gives its sockets their connection here, when the handshake is complete.
  setSocket (...args: unknown[]): void {
    setSocket.apply(this, args)
    putEndsOff(this, args[0] as Duplex)
  }

  // `ws` by itself closes with 1009 and does not say why.
  override close (code?: number, reason?: string | Buffer): void {
    if (code === closeCodes.MESSAGE_TOO_BIG && reason === undefined && this.readyState === WebSocket.OPEN) reason = this.oversize = oversizeIn(this)
    super.close(code, reason)
  }

  override terminate (): void {
    this.isTerminated = true
    super.terminate()
  }
}

/** The `ws` socket of a session. What `ws` or the user sends through it keeps its place among the frames of the session. */
export class SessionWebSocket extends ChannelWebSocket {
  held: HeldFrames | null = null
  #pongs = 0
  /** The payload of the last ping, where more have come than are answered one by one. */
  #lastPing: unknown = null

  override setSocket (...args: unknown[]): void {
    super.setSocket(...args)
    if (this.extensions === '') readWholeMessages(this)
  }

  override send (...args: any[]): void {
    this.#release()
    super.send(...args as Parameters<WebSocket['send']>)
  }

  override ping (...args: Parameters<WebSocket['ping']>): void {
    this.#release()
    super.ping(...args)
  }

  override pong (...args: Parameters<WebSocket['pong']>): void {
    const [data, mask, onWritten] = args
    if (typeof onWritten === 'function') return this.#answer(data, mask, onWritten as OnWritten) // as `ws` answers a ping
    this.#release()
    super.pong(...args)
  }

  override close (...args: Parameters<WebSocket['close']>): void {
    this.#release()
    super.close(...args)
  }

  #release (): void {
    settle()
    this.held?.release()
  }

  // RFC 6455, section 5.5.3: of the pings that are not answered yet, only the most recent need be. So a flood of them
  // takes no memory, and a client that was not read for a while may have sent many (`ws` by itself would drop it).
  #answer (data: unknown, mask: boolean | undefined, onWritten: OnWritten): void {
    if (this.#pongs === MAX_PONGS) {
      this.#lastPing = data
      onWritten()
      return
    }
    this.#pongs++
    this.#release()
    super.pong(data, mask, (error?: Error) => {
      this.#pongs--
      onWritten(error)
      this.#answerLastPing()
    })
  }

  #answerLastPing (): void {
    const data = this.#lastPing
    this.#lastPing = null
    if (data !== null) this.#answer(data, undefined, () => {})
  }
}

/**
 * From now on listeners on `raw` cannot end the process: the first that throws, or returns a promise that rejects, fails
 * the connection, of which listeners then are told nothing more than its end. `onFailure`, which must not throw, is given
 * that error, and those of the listeners to the end. For a socket that is handed to the user.
 */
export function guardListeners (raw: RawWebSocket, onFailure: (error: unknown) => void): void {
  if (Object.hasOwn(raw, 'emit')) return
  let hasFailed = false
  const fail = (error: unknown): void => {
    hasFailed = true
    onFailure(error)
  }
  raw.emit = (event, ...args) => {
    if (hasFailed && event !== 'close' && event !== 'error') return false
    const listeners = raw.rawListeners(event)
    for (const listener of listeners) guard(() => Reflect.apply(listener, raw, args), fail)
    return listeners.length > 0
  }
}
