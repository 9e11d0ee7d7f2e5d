import { randomBytes } from 'node:crypto'
import { timers, Entry as TimerEntry } from '../base/timers'
import { MIN_COST } from '../connection/message-cost'
import { Entry, type Draft } from './entry'
import { START, type LogListener, type TopicLog } from './topic-log'
import type { Retention } from '../../types/broker'
import type { Position } from './position'

/** A list of entries is cut when so many of its first places are free, and they are half of the list. */
const MIN_CUT = 64

/** Keeps the messages of the topics of one process. */
export class MemoryLog implements TopicLog {
  readonly #listener: LogListener
  readonly #rings = new Map<string, Ring>()
  /** The first place of the next ring. It comes after all places of the rings that have gone, so that the places of a topic only grow. */
  #first = 0

  constructor (listener: LogListener) {
    this.#listener = listener
  }

  append (topic: string, draft: Draft, retention: Retention): Promise<string> {
    return Promise.resolve(this.#append(topic, draft, retention).position)
  }

  async read (topic: string, place: string, count: number): Promise<Entry[]> {
    return this.#rings.get(topic)?.from(Number(place), count) ?? []
  }

  async readNewest (topic: string, count: number): Promise<Entry[]> {
    return this.#rings.get(topic)?.newest(count) ?? []
  }

  async end (topic: string, retention: Retention): Promise<Position> {
    return this.#rings.get(topic)?.newest(1)[0] ?? this.#append(topic, START, retention)
  }

  compare (a: string, b: string): number {
    return Number(a) - Number(b)
  }

  /** Forgets all messages. */
  clear (): void {
    for (const ring of this.#rings.values()) timers.remove(ring)
    this.#rings.clear()
  }

  #append (topic: string, draft: Draft, retention: Retention): Entry {
    let ring = this.#rings.get(topic)
    if (ring === undefined) {
      ring = new Ring(retention, this.#first, (end) => {
        this.#rings.delete(topic)
        this.#first = Math.max(this.#first, end)
      })
      this.#rings.set(topic, ring)
    }
    const entry = ring.add(draft)
    this.#listener.onEntry(topic, entry)
    return entry
  }
}

interface Kept {
  readonly entry: Entry
  readonly cost: number
  /** When the message was published, in milliseconds on the clock of the timers. */
  readonly time: number
}

/** The kept messages of a topic. Calls `onEmpty` with the place after its last one when the last message has expired, and is not used after that. */
class Ring extends TimerEntry {
  readonly #mark = randomBytes(6).toString('base64url')
  readonly #retention: Retention
  readonly #onEmpty: (end: number) => void
  /** The kept messages, after those places that are free. */
  #kept: (Kept | undefined)[] = []
  /** The number of free places, which is the index of the oldest message. */
  #free = 0
  #bytes = 0
  /** The place of the next message. */
  #next: number

  constructor (retention: Retention, first: number, onEmpty: (end: number) => void) {
    super()
    this.#retention = retention
    this.#next = first
    this.#onEmpty = onEmpty
    timers.add(this, timers.now + retention.ttl)
  }

  add ({ kind, payload, sender }: Draft): Entry {
    const own = typeof payload === 'string' ? payload : Buffer.from(payload) // the bytes are the caller's
    const entry = new Entry({ place: String(this.#next++), mark: this.#mark }, { kind, payload: own, sender })
    const cost = Math.max(payload.length, MIN_COST)
    this.#kept.push({ entry, cost, time: timers.now })
    this.#bytes += cost
    const { size, maxBytes } = this.#retention
    while (this.#length > size || (this.#bytes > maxBytes && this.#length > 1)) this.#drop()
    this.#expire()
    return entry
  }

  /** `place` may be any number. */
  from (place: number, count: number): Entry[] {
    this.#expire()
    const start = place - (this.#next - this.#length)
    return this.#slice(start >= 0 ? start : 0, count)
  }

  newest (count: number): Entry[] {
    this.#expire()
    return this.#slice(Math.max(0, this.#length - count), count)
  }

  override look (): void {
    this.#expire()
    if (this.#length === 0) this.#onEmpty(this.#next)
    else timers.add(this, this.#oldest.time + this.#retention.ttl)
  }

  get #length (): number {
    return this.#kept.length - this.#free
  }

  get #oldest (): Kept {
    return this.#kept[this.#free]!
  }

  #slice (start: number, count: number): Entry[] {
    const first = this.#free + start
    return this.#kept.slice(first, first + count).map((kept) => kept!.entry)
  }

  #expire (): void {
    const limit = timers.now - this.#retention.ttl
    while (this.#length > 0 && this.#oldest.time < limit) this.#drop()
  }

  #drop (): void {
    this.#bytes -= this.#oldest.cost
    this.#kept[this.#free++] = undefined
    if (this.#free < MIN_CUT || 2 * this.#free < this.#kept.length) return
    this.#kept.splice(0, this.#free)
    this.#free = 0
  }
}
