import { settle, type Subscriber } from '../../lib/protocol/multicast'
import type { Payload } from '../../lib/codec/encode'
import type { Batch, PreparedMessage } from '../../lib/protocol/prepared-message'

/** Somebody who subscribes. */
export class Listener implements Subscriber {
  onDeliver?: () => void
  readonly #prepareds: PreparedMessage[] = []

  /** What it has been given, or would be at the end of this turn. */
  get prepareds (): PreparedMessage[] {
    settle()
    return this.#prepareds
  }

  get received (): Payload[] {
    return this.prepareds.map(({ payload }) => payload)
  }

  deliver (batch: Batch): void {
    this.#prepareds.push(...batch.messages)
    this.onDeliver?.()
  }
}
