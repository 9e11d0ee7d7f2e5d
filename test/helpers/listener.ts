import { settle, type Subscriber } from '../../lib/protocol/multicast'
import type { Payload } from '../../lib/codec/encode'
import type { Batch, PreparedMessage } from '../../lib/protocol/prepared-message'

/** A subscriber that keeps its messages. */
export class Listener implements Subscriber {
  onDeliver?: () => void
  readonly #messages: PreparedMessage[] = []

  /** All messages that the listener has been given, also those that were due at the end of this turn. */
  get messages (): PreparedMessage[] {
    settle()
    return this.#messages
  }

  get received (): Payload[] {
    return this.messages.map(({ payload }) => payload)
  }

  deliver (batch: Batch): void {
    this.#messages.push(...batch.messages)
    this.onDeliver?.()
  }
}
