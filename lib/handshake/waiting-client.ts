import type { Duplex } from 'node:stream'

/** The bytes that are kept of a client that sends too early. Above it the stream is paused. */
const MAX_EARLY_BYTES = 64 * 1024

/** A stream with a listener for one of these events has a reader. */
const READS = ['data', 'readable']

/** Gets the outcome of the watch of a waiting client. */
export interface Watcher {
  /** The client has left. The watch is over. */
  onLeave (): void
  /** Another reader begins to read the stream, and gets all bytes of the client. The watch is over. */
  onTaken (): void
}

/** Whether `stream` has a reader. */
export function isRead (stream: Duplex): boolean {
  return READS.some((event) => stream.listenerCount(event) > 0)
}

/** Watches a client that waits for its handshake. Keeps the bytes that the client sends, and tells when the client has left. */
export class WaitingClient {
  readonly #stream: Duplex
  readonly #watcher: Watcher
  #early: Buffer[] = []
  #earlyBytes = 0
  readonly #onData = (chunk: Buffer): void => this.#keep(chunk)
  readonly #onEnd = (): void => { this.#stream.destroy() } // a client that has ended its side cannot take part in a closing handshake
  readonly #onClose = (): void => this.#leave()
  readonly #onListener = (event: string | symbol): void => this.#onNewListener(event)

  /** Begins to read `stream`, which has no reader: only a stream that is read emits its end. */
  constructor (stream: Duplex, watcher: Watcher) {
    this.#stream = stream
    this.#watcher = watcher
    stream.on('data', this.#onData)
    stream.on('end', this.#onEnd)
    stream.on('close', this.#onClose)
    stream.on('newListener', this.#onListener)
  }

  /** Discards the bytes that the client has sent, and keeps no more of them. */
  drop (): void {
    this.#stream.removeListener('newListener', this.#onListener)
    this.#stream.removeListener('data', this.#onData)
    this.#early = []
  }

  /** Ends the watch and leaves the stream as if it had not been read: the next reader gets all bytes that the client has sent. */
  giveBack (): void {
    const early = this.#early
    this.#end()
    // At an upgrade, Node leaves the stream neither flowing nor paused. A paused stream would not flow to its next reader.
    ;(this.#stream as { readableFlowing: boolean | null }).readableFlowing = null
    if (early.length > 0) this.#stream.unshift(Buffer.concat(early)) // in one call, since each `unshift` moves all bytes behind it
  }

  #end (): void {
    this.drop()
    this.#stream.removeListener('end', this.#onEnd)
    this.#stream.removeListener('close', this.#onClose)
  }

  #leave (): void {
    this.#end()
    this.#watcher.onLeave()
  }

  /** 'newListener' is emitted before the listener is added. */
  #onNewListener (event: string | symbol): void {
    if (!READS.includes(event as string)) return
    this.giveBack()
    this.#watcher.onTaken()
  }

  #keep (chunk: Buffer): void {
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.#stream.pause()
  }
}
