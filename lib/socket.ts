import { WebSocketDisconnect } from './errors'
import { Inbox } from './inbox'
import { Outbox } from './outbox'
import { Deferred, rejected } from './promise'
import { Queue } from './queue'
import { cutReason } from './close'
import type { Duplex } from 'node:stream'
import type { RawWebSocket } from '../types/raw'
import type { State } from './state'

/** What bounds a connection: bytes and milliseconds. */
export interface SocketOptions {
  receiveHighWaterMark: number
  sendHighWaterMark: number
  sendTimeout: number
}

/** `readyState` of `ws`, by name. */
const STATES: readonly State[] = ['connecting', 'open', 'closing', 'closed']

interface Ping {
  number: number
  sentAt: number
  pong: Deferred<number>
}

/**
 * An open connection: one `ws` socket, wired to an inbox and an outbox. The only file that touches it.
 * Nothing of the user's runs inside its listeners except decoders, whose errors go to their readers.
 */
export class Socket {
  readonly raw: RawWebSocket
  readonly inbox: Inbox
  readonly outbox: Outbox
  /** How the connection ended; null until then. */
  end: WebSocketDisconnect | null = null
  readonly #onEnd: (end: WebSocketDisconnect) => void
  #pings: Queue<Ping> | null = null
  #pingCount = 0
  #error: Error | undefined

  /** `stream` is what `raw` reads and writes; `onEnd` is called once, when the connection has ended. */
  constructor (raw: RawWebSocket, stream: Duplex, options: SocketOptions, onEnd: (end: WebSocketDisconnect) => void) {
    this.raw = raw
    this.inbox = new Inbox(options.receiveHighWaterMark, raw)
    this.outbox = new Outbox(raw, stream, { ...options, onStall: () => this.terminate() })
    this.#onEnd = onEnd
    raw.on('message', (data: Buffer, isBinary: boolean) => this.inbox.push(data, isBinary))
    raw.on('pong', (data: Buffer) => this.#rawOnPong(data))
    raw.on('error', (error: Error) => { this.#error = error }) // 'close' follows
    raw.on('close', (code: number, reason: Buffer) => this.#rawOnClose(code, reason))
  }

  get state (): State {
    return STATES[this.raw.readyState]
  }

  /** Starts the closing handshake after what has been sent. What still arrives is discarded. `ws` forces the end after its `closeTimeout`. */
  close (code: number, reason: string): void {
    this.inbox.discard()
    this.raw.close(code, cutReason(reason))
  }

  /** Drops the connection at once; what was sent before is written first, as far as the kernel takes it. */
  terminate (): void {
    this.outbox.flush()
    this.raw.terminate()
  }

  /** Resolves with the round trip in milliseconds; rejects with the connection's `WebSocketDisconnect`. */
  ping (): Promise<number> {
    if (this.end !== null) return rejected(this.end)
    const ping = { number: ++this.#pingCount, sentAt: performance.now(), pong: new Deferred<number>() }
    this.#pings ??= new Queue()
    this.#pings.push(ping)
    if (this.state === 'open') this.raw.ping(String(ping.number))
    return ping.pong.promise
  }

  // RFC 6455, section 5.5.3: a pong may answer only the most recent ping, so it settles those before it as well.
  #rawOnPong (data: Buffer): void {
    const answered = Number(data.toString())
    if (this.#pings === null || !(answered <= this.#pingCount)) return // unsolicited
    const now = performance.now()
    while (this.#pings.first !== undefined && this.#pings.first.number <= answered) {
      const ping = this.#pings.shift()!
      ping.pong.resolve(now - ping.sentAt)
    }
  }

  #rawOnClose (code: number, reason: Buffer): void {
    // 1006 stands for a connection that ended without a close frame (RFC 6455, section 7.1.5).
    const end = new WebSocketDisconnect(code, reason.toString(), code !== 1006, { cause: this.#error })
    this.end = end
    this.inbox.end(end)
    this.outbox.end(end)
    for (let ping = this.#pings?.shift(); ping !== undefined; ping = this.#pings?.shift()) ping.pong.reject(end)
    this.#onEnd(end)
  }
}
