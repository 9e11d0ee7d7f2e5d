import type { Duplex } from 'node:stream'

/** How much of what a client sends too early is kept, in bytes; beyond that the stream is paused. */
const MAX_EARLY_BYTES = 64 * 1024

/** Watches a client that waits for its handshake: keeps what it sends meanwhile, and tells when it has left. */
export class Watch {
  readonly #stream: Duplex
  readonly #onLeave: () => void
  #early: Buffer[] = []
  #earlyBytes = 0
  readonly #onData = (chunk: Buffer): void => this.#keep(chunk)
  readonly #onEnd = (): void => { this.#stream.destroy() } // who has ended its side cannot take part in a closing handshake

  /** The stream is read from now on: only a stream that is read tells of its end. */
  constructor (stream: Duplex, onLeave: () => void) {
    this.#stream = stream
    this.#onLeave = onLeave
    stream.on('data', this.#onData)
    stream.on('end', this.#onEnd)
    stream.on('close', this.#onLeave)
  }

  /** What the client has sent, and goes on sending, is of no use. */
  drop (): void {
    this.#stream.removeListener('data', this.#onData)
    this.#early = []
  }

  /** No longer watches. */
  end (): void {
    this.drop()
    this.#stream.removeListener('end', this.#onEnd)
    this.#stream.removeListener('close', this.#onLeave)
  }

  /** No longer watches, and gives back what the client has sent. The stream is paused: only one that is resumed goes on with that. */
  giveBack (): void {
    const early = this.#early
    this.end()
    this.#stream.pause()
    for (const chunk of early.reverse()) this.#stream.unshift(chunk)
  }

  #keep (chunk: Buffer): void {
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.#stream.pause()
  }
}
