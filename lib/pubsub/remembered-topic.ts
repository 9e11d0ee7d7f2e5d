import { afterTurn, now } from '../base/clock'
import { excluding, including, type SmallSet } from '../base/small-set'
import { deliverTo, settle } from '../protocol/multicast'
import { CatchUp, type Log, type Reader } from './catch-up'
import type { Entry } from './entry'
import type { Position } from './position'
import type { Follower, Subscription } from './subscription'

/** The members of `History` that a topic uses. */
export interface TopicOwner<F extends Follower> {
  /** The subscription with this number. */
  subscription (number: number): Subscription<F> | undefined
  /** Messages of `topic` were lost: they are no longer in its log. */
  missed (topic: string): void
}

/**
 * A topic with history, and its subscriptions in this process. All live subscriptions have the same entries: those up to `newest`.
 *
 *     live ──broker down, or the log was made anew──▶ paused ──`recover`──▶ live
 */
export class RememberedTopic<F extends Follower> implements Reader {
  readonly name: string
  readonly log: Log
  /** The last entry that has come live; null if none has come. */
  newest: Position | null = null
  readonly #ttl: number
  readonly #owner: TopicOwner<F>
  /** When `newest` was set. */
  #newestSince = 0
  #plain: SmallSet<Subscription<F>> | undefined
  #positioned: SmallSet<Subscription<F>> | undefined
  /** The subscriptions that are not live yet. */
  readonly #joining = new Set<Subscription<F>>()
  /** Holds live entries while the topic is paused. */
  #recovery: CatchUp | null = null

  /** `ttl`: the milliseconds for which the log keeps an entry. */
  constructor (name: string, log: Log, ttl: number, owner: TopicOwner<F>) {
    this.name = name
    this.log = log
    this.#ttl = ttl
    this.#owner = owner
  }

  get isEmpty (): boolean {
    return this.#plain === undefined && this.#positioned === undefined && this.#joining.size === 0
  }

  get isPaused (): boolean {
    return this.#recovery !== null
  }

  /** Whether `newest` has been the newest entry for so long that it has expired. */
  get isQuiet (): boolean {
    return now() - this.#newestSince >= this.#ttl
  }

  /** The subscribers of the topic. */
  get followers (): F[] {
    return [this.#plain, this.#positioned, this.#joining].flatMap((set) => set === undefined ? [] : set instanceof Set ? [...set] : set).map(({ follower }) => follower)
  }

  /** A new subscription, which is not live yet. */
  add (subscription: Subscription<F>): void {
    this.#joining.add(subscription)
  }

  remove (subscription: Subscription<F>): void {
    this.#change(subscription, excluding)
  }

  /** `subscription` has read the log. It becomes live, unless entries that it has read are still to come live. */
  admit (subscription: Subscription<F>): void {
    const { last } = subscription
    if (this.newest === null) this.#setNewest(last)
    if (this.isPaused) return
    if (last === null || this.log.compare(last.place, this.newest!.place) <= 0) this.promote(subscription)
  }

  /** `subscription` becomes live. */
  promote (subscription: Subscription<F>): void {
    this.#change(subscription, including)
  }

  /** `subscription` is no longer live. */
  demote (subscription: Subscription<F>): void {
    this.remove(subscription)
    this.add(subscription)
  }

  /** An entry has come live. */
  onEntry (entry: Entry): void {
    if (this.#recovery !== null) return this.#recovery.hold(entry)
    if (this.newest === null || this.log.compare(entry.place, this.newest.place) > 0) return this.take(entry)
    // The entry was read from the log before it came live, or the log was lost and has begun anew.
    this.pause()
    this.#recovery!.hold(entry)
    this.recover().then((isRecovered) => { if (isRecovered === false) this.#owner.missed(this.name) })
  }

  /** Delivers an entry. */
  take (entry: Entry): void {
    const before = this.newest
    this.#setNewest({ place: entry.place, mark: entry.mark })
    if (entry.kind !== 'start') this.#deliver(entry, before)
    for (const subscription of this.#joining) subscription.onLive(entry)
  }

  /** Holds live entries from now on, until `recover` has delivered what came before them. */
  pause (): void {
    this.#recovery?.cancel()
    this.#recovery = new CatchUp(this.log, this, this.newest)
  }

  /** The topic is live, and has everything up to `last`. */
  arrive (last: Position | null): void {
    this.#setNewest(last)
    this.#recovery = null
    for (const subscription of this.#joining) {
      if (subscription.isWaiting) this.admit(subscription)
    }
  }

  /**
   * Delivers what came since `pause`. Resolves with true if that is all, with false if entries may be missing, and with null if the
   * topic was paused again meanwhile.
   */
  async recover (): Promise<boolean | null> {
    const recovery = this.#recovery!
    try {
      const isRecovered = await recovery.run()
      if (!isRecovered) await this.#beginAnew(recovery)
      return recovery.isCancelled ? null : isRecovered
    } catch {
      await afterTurn() // the broker may report an outage later in the turn
      if (recovery.isCancelled) return null
      recovery.last = null
      recovery.finish()
      return false
    }
  }

  /** The log no longer has `newest`. What was read before cannot be compared with what comes. */
  async #beginAnew (recovery: CatchUp): Promise<void> {
    this.newest = null
    for (const subscription of this.#joining) {
      if (subscription.isWaiting) this.promote(subscription)
      else subscription.readAgain()
    }
    await recovery.skip()
  }

  /** Changes the set of live subscriptions that `subscription` is for. What was published before is delivered to the set as it was. */
  #change (subscription: Subscription<F>, change: typeof including | typeof excluding): void {
    settle()
    this.#joining.delete(subscription)
    if (subscription.positions) this.#positioned = change(this.#positioned, subscription)
    else this.#plain = change(this.#plain, subscription)
  }

  #setNewest (newest: Position | null): void {
    this.newest = newest
    this.#newestSince = now()
  }

  #deliver (entry: Entry, before: Position | null): void {
    const except = entry.sender === 0 ? undefined : this.#owner.subscription(entry.sender)
    if (this.#plain !== undefined && this.#plain !== except) deliverTo(entry.prepare(), this.#plain, except)
    if (this.#positioned !== undefined && this.#positioned !== except) deliverTo(entry.preparePositioned(this.name, before), this.#positioned, except)
  }
}
