import WebSocket from 'ws'
import { closeCodes } from '../base/close-codes'
import { guard } from '../base/user-code'
import { settle } from './multicast'
import { oversizeReason, deferEnds, readWholeMessages } from './receiver'
import type { Duplex } from 'node:stream'
import type { RawWebSocket } from '../../types/raw'

/** Frames that are held back until the end of the turn. */
export interface HeldFrames {
  /** Writes the frames to the stream, so that the next frame follows them. */
  release (): void
}

type OnWritten = (error?: Error) => void

/** The most pongs that may wait to be written. */
const MAX_PONGS = 60

const { setSocket } = WebSocket.prototype as unknown as { setSocket (...args: unknown[]): void }

/** The `ws` socket of a session or of a client. */
export class ChannelWebSocket extends WebSocket {
  /** Whether this side has dropped the connection. */
  isTerminated = false
  /** The close reason, if the connection was closed for a message larger than `maxPayload`. */
  declare oversize?: string

  // `ws` calls this method when the handshake is complete. It makes the receiver of the socket.
  setSocket (...args: unknown[]): void {
    setSocket.apply(this, args)
    deferEnds(this, args[0] as Duplex)
  }

  // `ws` closes with 1009 without a reason, so this method adds one.
  override close (code?: number, reason?: string | Buffer): void {
    if (code === closeCodes.MESSAGE_TOO_BIG && reason === undefined && this.readyState === WebSocket.OPEN) reason = this.oversize = oversizeReason(this)
    super.close(code, reason)
  }

  override terminate (): void {
    this.isTerminated = true
    super.terminate()
  }
}

/** The `ws` socket of a session. A frame that `ws` or the user sends through it keeps its place among the frames of the session. */
export class SessionWebSocket extends ChannelWebSocket {
  held: HeldFrames | null = null
  #pongs = 0
  /** The payload of the last ping, while `MAX_PONGS` pongs wait to be written. */
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
    if (typeof onWritten === 'function') return this.#answer(data, mask, onWritten as OnWritten) // `ws` answers a ping like this
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

  // RFC 6455, section 5.5.3: of the pings that are not answered yet, only the most recent one needs an answer. So a flood of pings
  // takes no memory. A client whose socket was paused may have sent many pings, for which `ws` alone would drop it.
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
 * Guards the listeners of a socket that the user gets: they cannot end the process. The error of a listener that throws, or
 * whose promise rejects, goes to `onFailure`, which must not throw and fails the connection. After the first error, listeners get
 * only `close` and `error` events.
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
