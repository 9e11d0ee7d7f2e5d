import { flushAfterTurn } from '../base/end-of-turn'
import { MAX_BATCH, type Batch, type PreparedMessage } from './prepared-message'

/*
 * What is published to the same subscribers in one turn reaches them together, at the end of that turn: then each is
 * looked at once, however much it is. Before anything else is sent, or who subscribes changes, it reaches them at once,
 * so that nobody sees a difference.
 */

/** Who can be given what is published. */
export interface Subscriber {
  deliver (batch: Batch): void
}

let pending: Batch | null = null
let subscribers: Iterable<Subscriber> = []
let except: Subscriber | undefined

const endOfTurn = { flush: settle }

/** Gives `prepared message` to all of `to` but `not`, at the end of the turn at the latest. */
export function multicast (prepared: PreparedMessage, to: Iterable<Subscriber>, not?: Subscriber): void {
  if (pending !== null && subscribers === to && except === not && pending.byteLength + prepared.byteLength <= MAX_BATCH) {
    pending = pending.and(prepared)
    return
  }
  settle()
  pending = prepared
  subscribers = to
  except = not
  flushAfterTurn(endOfTurn)
}

/** Gives its subscribers what has been published so far. */
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
