import type { Broker, BrokerListener } from '../../types/broker'

/** In ms: how long to wait. */
const LIMIT = 15_000

/** Listens to a broker, and keeps its calls. */
export class Recorder implements BrokerListener {
  ups = 0
  readonly downs: Error[] = []
  readonly messages: { topic: string, bytes: Buffer }[] = []
  readonly entries: { topic: string, position: string, bytes: Buffer }[] = []
  #wake = (): void => {}

  onMessage (topic: string, bytes: Uint8Array): void {
    this.messages.push({ topic, bytes: Buffer.from(bytes) }) // a copy, because the bytes are valid only during the call
    this.#wake()
  }

  onEntry (topic: string, position: string, bytes: Uint8Array): void {
    this.entries.push({ topic, position, bytes: Buffer.from(bytes) })
    this.#wake()
  }

  onUp (): void {
    this.ups++
    this.#wake()
  }

  onDown (reason: Error): void {
    this.downs.push(reason)
    this.#wake()
  }

  /** The number of calls. */
  get calls (): number {
    return this.ups + this.downs.length + this.messages.length + this.entries.length
  }

  /** The messages of `topic`, or of all topics, as text. */
  texts (topic?: string): string[] {
    return this.messages.filter((message) => topic === undefined || message.topic === topic).map(({ bytes }) => bytes.toString())
  }

  /** Resolves as soon as `condition` holds; checks it after each call of the broker. Rejects after 15 s without a call. */
  async until (condition: () => boolean): Promise<void> {
    while (!condition()) {
      await inTime(new Promise<void>((resolve) => { this.#wake = resolve }),
        () => `${condition} in vain: up ${this.ups} times, down ${this.downs.length} times, ${this.messages.length} messages, ${this.entries.length} entries`)
    }
  }
}

/** Settles as `promise` does. Rejects with an error with the text of `failure` after `limit` milliseconds. */
export async function inTime<T> (promise: Promise<T>, failure: () => string, limit = LIMIT): Promise<T> {
  let timer
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new Error(failure())), limit) })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A broker, and the recorder of its calls. */
export interface Recorded {
  broker: Broker
  told: Recorder
}
