import { settle, type Subscriber } from '../../lib/protocol/multicast'
import type { Payload } from '../../lib/codec/encode'
import type { Burst, Publication } from '../../lib/protocol/prepared-message'

/** Somebody who subscribes. */
export class Listener implements Subscriber {
  onDeliver?: () => void
  readonly #publications: Publication[] = []

  /** What it has been given, or would be at the end of this turn. */
  get publications (): Publication[] {
    settle()
    return this.#publications
  }

  get received (): Payload[] {
    return this.publications.map(({ payload }) => payload)
  }

  deliver (burst: Burst): void {
    this.#publications.push(...burst.publications)
    this.onDeliver?.()
  }
}
