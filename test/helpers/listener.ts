import { settle, type Subscriber } from '../../lib/protocol/multicast'
import type { Payload } from '../../lib/codec/encode'
import type { Batch, PreparedMessage } from '../../lib/protocol/prepared-message'

/** Somebody who subscribes. */
export class Listener implements Subscriber {
  onDeliver?: () => void
  readonly #messages: PreparedMessage[] = []

  /** What it has been given, or would be at the end of this turn. */
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
