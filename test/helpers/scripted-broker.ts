import { Deferred } from '../../lib/base/deferred'
import type { Broker, BrokerListener } from '../../types/broker'
import { inTime } from './recorder'

type Verb = 'subscribe' | 'unsubscribe' | 'publish'

/** One call of a method of the broker. The test settles the call with `done` or `fail`. */
export interface Call {
  verb: Verb
  topic: string
  message?: Uint8Array
  done (): void
  fail (error: unknown): void
}

/** A broker that a test controls. The broker keeps its calls, and settles them by itself only if `confirms` is set. */
export class ScriptedBroker implements Broker {
  /** The calls that are not settled yet and that no `next` has returned. */
  readonly pending: Call[] = []
  /** All calls, as 'verb topic'. */
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

  /** Takes the oldest of the pending calls. Waits for a call if there is none. */
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
