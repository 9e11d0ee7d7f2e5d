import type { Duplex } from 'node:stream'

/** How much of what a client sends too early is kept, in bytes; beyond that the stream is paused. */
const MAX_EARLY_BYTES = 64 * 1024

/** With a listener for one of these, somebody reads a stream. */
const READS = ['data', 'readable']

/** Who is told of what becomes of a client that waits. */
export interface Watcher {
  /** It has left. The watch is over. */
  onLeave (): void
  /** Somebody else begins to read what it sends, and gets all of it. The watch is over. */
  onTaken (): void
}

/** Whether somebody reads `stream`. */
export function isRead (stream: Duplex): boolean {
  return READS.some((event) => stream.listenerCount(event) > 0)
}

/** Watches a client that waits for its handshake: keeps what it sends meanwhile, and tells when it has left. */
export class WaitingClient {
  readonly #stream: Duplex
  readonly #watcher: Watcher
  #early: Buffer[] = []
  #earlyBytes = 0
  readonly #onData = (chunk: Buffer): void => this.#keep(chunk)
  readonly #onEnd = (): void => { this.#stream.destroy() } // who has ended its side cannot take part in a closing handshake
  readonly #onClose = (): void => this.#leave()
  readonly #onListener = (event: string | symbol): void => this.#look(event)

  /** The stream, which nobody reads, is read from now on: only a stream that is read tells of its end. */
  constructor (stream: Duplex, watcher: Watcher) {
    this.#stream = stream
    this.#watcher = watcher
    stream.on('data', this.#onData)
    stream.on('end', this.#onEnd)
    stream.on('close', this.#onClose)
    stream.on('newListener', this.#onListener)
  }

  /** What the client has sent, and goes on sending, is of no use. */
  drop (): void {
    this.#stream.removeListener('newListener', this.#onListener)
    this.#stream.removeListener('data', this.#onData)
    this.#early = []
  }

  /** No longer watches, and leaves the stream as if nobody had read it: who reads it next gets all that the client has sent. */
  giveBack (): void {
    const early = this.#early
    this.#end()
    // As Node has it at an upgrade: neither flowing nor paused. To pause it would keep it from flowing to who reads it next.
    ;(this.#stream as { readableFlowing: boolean | null }).readableFlowing = null
    if (early.length > 0) this.#stream.unshift(Buffer.concat(early)) // at once: each one would move those behind it
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

  /** Listeners are told of before they are there. */
  #look (event: string | symbol): void {
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
