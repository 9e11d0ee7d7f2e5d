import { settle, type Subscriber } from '../../lib/protocol/multicast'
import { messagesIn } from './frames'
import type { Payload } from '../../lib/codec/encode'
import type { Batch } from '../../lib/protocol/prepared-message'

/** A subscriber that keeps its messages. */
export class Listener implements Subscriber {
  onDeliver?: () => void
  readonly #batches: Batch[] = []

  /** All that the listener has been given, also what was due at the end of this turn. */
  get batches (): Batch[] {
    settle()
    return this.#batches
  }

  /** The messages of the batches. */
  get received (): Payload[] {
    return this.batches.flatMap(({ bytes }) => messagesIn(bytes))
  }

  deliver (batch: Batch): void {
    this.#batches.push(batch)
    this.onDeliver?.()
  }
}
