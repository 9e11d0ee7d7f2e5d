import { flushFirst } from '../base/end-of-turn'
import type { SmallSet } from '../base/small-set'
import { MAX_BATCH, type Batch, type PreparedMessage } from './prepared-message'

/*
 * The messages that are published to the same subscribers in one turn of the event loop are delivered together at the end of
 * that turn, so that each subscriber is visited once however many messages there are. If another message is sent or the
 * subscribers change before that, the pending messages are delivered first, so that their order stays the same.
 */

/** A receiver of published messages. */
export interface Subscriber {
  deliver (batch: Batch): void
}

let pending: Batch | null = null
let subscribers: Iterable<Subscriber> = []
let except: Subscriber | undefined

const endOfTurn = { flush: settle }

/** Delivers `prepared` to the members of `to` except `not`, at the end of the turn at the latest. */
export function deliverTo (prepared: PreparedMessage, to: SmallSet<Subscriber>, not?: Subscriber): void {
  if (to instanceof Set) multicast(prepared, to, not)
  else if (to !== not) to.deliver(prepared)
}

/** Delivers `prepared` to all of `to` except `not`, at the end of the turn at the latest. */
export function multicast (prepared: PreparedMessage, to: Iterable<Subscriber>, not?: Subscriber): void {
  if (pending !== null && subscribers === to && except === not && pending.byteLength + prepared.byteLength <= MAX_BATCH) {
    pending = pending.and(prepared)
    return
  }
  settle()
  pending = prepared
  subscribers = to
  except = not
  flushFirst(endOfTurn)
}

/** Delivers the pending messages now. */
export function settle (): void {
  if (pending !== null) deliver(pending)
}

function deliver (batch: Batch): void {
  const [to, not] = [subscribers, except]
  pending = null
  subscribers = []
  except = undefined
  for (const subscriber of to) {
    if (subscriber !== not) subscriber.deliver(batch)
  }
}
