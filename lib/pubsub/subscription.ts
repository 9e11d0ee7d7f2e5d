import { CatchUp } from './catch-up'
import { positionOf, type Position } from './position'
import type { Batch, PreparedMessage } from '../protocol/prepared-message'
import type { Subscriber } from '../protocol/multicast'
import type { Reader } from './catch-up'
import type { Entry, PositionedMessage } from './entry'
import type { RememberedTopic } from './remembered-topic'
import type { TopicStanding } from '../../types/session'

/** A subscriber of topics with history. */
export interface Follower extends Subscriber {
  /** Sends published messages. If the subscriber is too slow, and is to miss them, the function sends nothing and returns false. */
  offer (batch: Batch): boolean
  /** Sends a message of the past. Resolves when the next one can be sent. */
  replay (message: PreparedMessage): Promise<void>
  /** The subscriber cannot be brought up to date. */
  giveUp (): void
}

/** Where a subscriber stands. */
export type Standing = TopicStanding

/** The standing of a subscriber of a topic without history, and while the broker is down. */
export const NOWHERE: Standing = Object.freeze({ position: null, recovered: false })

/**
 * The subscription of a subscriber to a topic with history.
 *
 *     reading ──▶ waiting ──▶ live ──▶ left        reading: the log is read, and live entries are held
 *        ▲                     │                   waiting: the last entry that was read has not come live yet
 *        └──── too slow ◀──────┘
 */
export class Subscription<F extends Follower = Follower> implements Subscriber, Reader {
  /** Tells the messages of this subscription from others. */
  readonly number: number
  readonly follower: F
  /** Whether each message is sent with its position. */
  readonly positions: boolean
  readonly topic: RememberedTopic<F>
  /** Reads the log, and holds what comes live meanwhile; null while the subscription is not reading. */
  #catchUp: CatchUp | null
  #last: Position | null = null
  #hasTaken = false

  /** The subscription holds what comes live until `begin`, `resume` or `replay` is called. */
  constructor (topic: RememberedTopic<F>, number: number, follower: F, positions: boolean) {
    this.number = number
    this.follower = follower
    this.positions = positions
    this.topic = topic
    this.#catchUp = new CatchUp(topic.log, this, null)
  }

  /** Whether the subscription has read the log. */
  get isWaiting (): boolean {
    return this.#catchUp === null
  }

  /** The last entry that was read; null if none is known. */
  get last (): Position | null {
    return this.#last
  }

  /** Goes on with what comes live from now on. Rejects if the log cannot be read. */
  async begin (): Promise<Standing> {
    const { newest, isPaused, isQuiet } = this.topic
    if (newest !== null && !isPaused && !isQuiet) this.arrive(newest)
    else await this.#catchUp!.skip()
    return this.#standing(false)
  }

  /** Replays what came after `from`, if the log has that, and goes on with what comes live. Rejects if the log cannot be read. */
  async resume (from: Position): Promise<Standing> {
    const catchUp = this.#catchUp!
    if (await this.#readFrom(from)) return this.#standing(!catchUp.isCancelled)
    if (!this.#hasTaken) return await this.begin()
    this.follower.giveUp()
    return this.#standing(false)
  }

  /** Replays the newest `count` entries, and goes on with what comes live. Rejects if the log cannot be read. */
  async replay (count: number): Promise<Standing> {
    const entries = await this.topic.log.readNewest(count)
    if (entries.length === 0) return await this.begin()
    for (const entry of entries) {
      if (!this.#catchUp!.isCancelled) await this.take(entry)
    }
    if (!await this.#readFrom(entries.at(-1)!)) this.follower.giveUp()
    return this.#standing(false)
  }

  take (entry: Entry): Promise<void> | void {
    this.#hasTaken = true
    if (this.#isFor(entry)) return this.follower.replay(this.#prepare(entry, null))
  }

  arrive (last: Position | null): void {
    if (this.#catchUp?.isCancelled === true) return
    this.#catchUp = null
    this.#last = last
    this.topic.admit(this)
  }

  /** An entry has come live, while the subscription is not live. */
  onLive (entry: Entry): void {
    if (this.#catchUp !== null) return this.#catchUp.hold(entry)
    const order = this.#last === null ? 1 : this.topic.log.compare(entry.place, this.#last.place)
    if (order > 0 && this.#isFor(entry)) this.deliver(this.#prepare(entry, this.#last))
    if (order >= 0 && this.isWaiting) this.topic.promote(this)
  }

  /** The log has begun anew, while the subscription reads it. */
  readAgain (): void {
    this.#catchUp?.readAgain()
  }

  /** Delivers messages to the live subscription. */
  deliver (batch: Batch): void {
    if (!this.positions) this.follower.deliver(batch)
    else if (!this.follower.offer(batch)) this.#fallBehind((batch.first as PositionedMessage).before)
  }

  /** Ends the subscription. */
  leave (): void {
    this.#catchUp?.cancel()
    this.topic.remove(this)
  }

  /** The subscriber was too slow for what came after `from`: it reads that from the log as it drains. */
  async #fallBehind (from: Position | null): Promise<void> {
    const catchUp = this.#catchUp = new CatchUp(this.topic.log, this, from)
    this.topic.demote(this)
    const isBack = await catchUp.run().catch(() => false)
    if (!isBack && !catchUp.isCancelled) this.follower.giveUp()
  }

  #readFrom (from: Position): Promise<boolean> {
    const catchUp = this.#catchUp!
    catchUp.last = from
    return catchUp.run()
  }

  /** Whether the subscriber gets `entry`: every message except those that it publishes while it has this subscription. */
  #isFor ({ kind, sender }: Entry): boolean {
    return kind !== 'start' && sender !== this.number
  }

  #prepare (entry: Entry, before: Position | null): PreparedMessage {
    return this.positions ? entry.preparePositioned(this.topic.name, before) : entry.prepare()
  }

  #standing (recovered: boolean): Standing {
    return { position: this.#last === null ? null : positionOf(this.#last), recovered }
  }
}
