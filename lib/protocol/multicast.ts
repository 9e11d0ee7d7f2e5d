import { MAX_BURST, type Burst, type Publication } from './prepared-message'
import { flushAfterTurn } from '../base/end-of-turn'

/*
 * What is published to the same subscribers in one turn reaches them together, at the end of that turn: then each is
 * looked at once, however much it is. Before anything else is sent, or who subscribes changes, it reaches them at once,
 * so that nobody sees a difference.
 */

/** Who can be given what is published. */
export interface Subscriber {
  deliver (burst: Burst): void
}

let pending: Burst | null = null
let subscribers: Iterable<Subscriber> = []
let except: Subscriber | undefined

const endOfTurn = { flush: settle }

/** Gives `publication` to all of `to` but `not`, at the end of the turn at the latest. */
export function broadcast (publication: Publication, to: Iterable<Subscriber>, not?: Subscriber): void {
  if (pending !== null && subscribers === to && except === not && pending.byteLength + publication.byteLength <= MAX_BURST) {
    pending = pending.and(publication)
    return
  }
  settle()
  pending = publication
  subscribers = to
  except = not
  flushAfterTurn(endOfTurn)
}

/** Gives its subscribers what has been published so far. */
export function settle (): void {
  if (pending !== null) deliver(pending)
}

function deliver (burst: Burst): void {
  const [to, not] = [subscribers, except]
  pending = null
  subscribers = []
  except = undefined
  for (const subscriber of to) {
    if (subscriber !== not) subscriber.deliver(burst)
  }
}
