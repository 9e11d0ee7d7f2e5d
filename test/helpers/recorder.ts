import type { Broker, BrokerListener } from '../../types/broker'

/** Milliseconds within which what is waited for has to happen. */
const LIMIT = 15_000

/** Listens to a broker, and keeps what it is told. */
export class Recorder implements BrokerListener {
  ups = 0
  readonly downs: Error[] = []
  readonly messages: { topic: string, bytes: Buffer }[] = []
  #wake = (): void => {}

  onMessage (topic: string, bytes: Uint8Array): void {
    this.messages.push({ topic, bytes: Buffer.from(bytes) }) // a copy: they last only as long as the call
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

  /** How often it was told anything. */
  get calls (): number {
    return this.ups + this.downs.length + this.messages.length
  }

  /** What was received, of `topic` or of all, as text. */
  texts (topic?: string): string[] {
    return this.messages.filter((message) => topic === undefined || message.topic === topic).map(({ bytes }) => bytes.toString())
  }

  /** Resolves as soon as `condition` holds, which is looked at whenever the broker tells something; rejects when it takes too long. */
  async until (condition: () => boolean): Promise<void> {
    while (!condition()) {
      await inTime(new Promise<void>((resolve) => { this.#wake = resolve }),
        () => `${condition} in vain: up ${this.ups} times, down ${this.downs.length} times, ${this.messages.length} messages`)
    }
  }
}

/** `promise`, unless it takes too long. */
export async function inTime<T> (promise: Promise<T>, failure: () => string, limit = LIMIT): Promise<T> {
  let timer
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new Error(failure())), limit) })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** A broker, and what it tells. */
export interface Recorded {
  broker: Broker
  told: Recorder
}
