import { Deferred } from '../../lib/base/deferred'
import type { Broker, BrokerListener } from '../../types/broker'
import { inTime } from './recorder'

type Verb = 'subscribe' | 'unsubscribe' | 'publish'

/** One call of a function of the broker, which settles when the test says so. */
export interface Call {
  verb: Verb
  topic: string
  message?: Uint8Array
  done (): void
  fail (error: unknown): void
}

/** A broker that does what a test tells it: it keeps what it is asked for, and confirms nothing by itself unless `confirms` is set. */
export class ScriptedBroker implements Broker {
  /** All calls that have not been settled. */
  readonly pending: Call[] = []
  /** All calls that there were, as 'verb topic'. */
  readonly calls: string[] = []
  listener!: BrokerListener
  confirms = false
  #wake = (): void => {}

  async start (listener: BrokerListener): Promise<void> {
    this.listener = listener
  }

  subscribe (topic: string): Promise<void> { return this.#call('subscribe', topic) }
  unsubscribe (topic: string): Promise<void> { return this.#call('unsubscribe', topic) }
  publish (topic: string, message: Uint8Array): Promise<void> { return this.#call('publish', topic, message) }
  async close (): Promise<void> {}

  /** The oldest call that has not been settled, which may still be to come. */
  async next (): Promise<Call> {
    while (this.pending.length === 0) {
      await inTime(new Promise<void>((resolve) => { this.#wake = resolve }), () => `nothing has been called after ${this.calls.join(', ')}`)
    }
    return this.pending.shift()!
  }

  #call (verb: Verb, topic: string, message?: Uint8Array): Promise<void> {
    this.calls.push(`${verb} ${topic}`)
    if (this.confirms) return Promise.resolve()
    const settled = new Deferred<void>()
    this.pending.push({ verb, topic, message, done: () => settled.resolve(), fail: (error) => settled.reject(error) })
    this.#wake()
    return settled.promise
  }
}
