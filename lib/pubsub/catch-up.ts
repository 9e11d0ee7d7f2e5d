import { isSame, type Position } from './position'
import type { Entry } from './entry'

/** The most entries of a page. */
const PAGE = 100

/** The most live entries that wait until the log has been read, and their bytes. If more come, they are read from the log instead. */
const MAX_HELD = 100
const MAX_HELD_BYTES = 256 * 1024

/** The log of one topic. Its functions are those of `TopicLog`. */
export interface Log {
  read (place: string, count: number): Promise<Entry[]>
  readNewest (count: number): Promise<Entry[]>
  /** Returns the position of the newest entry. Gives an empty log an entry without content. */
  end (): Promise<Position>
  compare (a: string, b: string): number
}

/** The reader of a log. */
export interface Reader {
  /** Takes an entry. If a promise comes back, the next entry of the log is taken when it has resolved. */
  take (entry: Entry): Promise<void> | void
  /** The reader is in the present: it gets live entries itself from now on. `last` is the last entry. */
  arrive (last: Position | null): void
}

/**
 * Brings a reader from a position to the present: first the pages of the log, then the live entries that came meanwhile. Each
 * entry is taken once, in the order of the log.
 */
export class CatchUp {
  /** The last entry that has been taken, or the position at which the reading begins. Null if no position is known. */
  last: Position | null
  readonly #log: Log
  readonly #reader: Reader
  #held: Entry[] = []
  #heldBytes = 0
  /** Whether the log has to be read again, since live entries were dropped, for example. */
  #hasDropped = false
  #isCancelled = false

  constructor (log: Log, reader: Reader, from: Position | null) {
    this.#log = log
    this.#reader = reader
    this.last = from
  }

  /** Whether the reader wants no more. */
  get isCancelled (): boolean {
    return this.#isCancelled
  }

  cancel (): void {
    this.#isCancelled = true
  }

  /** Keeps a live entry until the log has been read. */
  hold (entry: Entry): void {
    if (this.#held.length === MAX_HELD || this.#heldBytes + entry.payload.length > MAX_HELD_BYTES) this.readAgain()
    if (this.#hasDropped) return
    this.#held.push(entry)
    this.#heldBytes += entry.payload.length
  }

  /** Reads the log once more before the reader arrives: what was held is dropped, or the log has begun anew. */
  readAgain (): void {
    this.#beginRead()
    this.#hasDropped = true
  }

  /**
   * Resolves with true when the reader has arrived, and after `cancel`. Resolves with false if the log no longer has the last entry:
   * entries may be missing after it. Rejects if the log cannot be read.
   */
  async run (): Promise<boolean> {
    for (let isAtEnd = false; !isAtEnd;) {
      if (this.last === null) return false
      this.#beginRead()
      const [first, ...entries] = await this.#log.read(this.last.place, PAGE + 1)
      if (this.#isCancelled) return true
      if (first === undefined || !isSame(first, this.last)) return false
      for (const entry of entries) {
        this.last = entry
        await this.#reader.take(entry)
        if (this.#isCancelled) return true
      }
      isAtEnd = entries.length < PAGE && !this.#hasDropped
    }
    this.finish()
    return true
  }

  /**
   * Brings the reader to the present without what came before. The reader takes nothing before the present is known, so that a reader
   * that has not been told of a gap has no message from after the gap. Rejects if the log cannot be read.
   */
  async skip (): Promise<void> {
    do {
      this.#beginRead()
      this.last = await this.#log.end()
    } while (this.#hasDropped)
    if (!this.#isCancelled) this.finish()
  }

  /** What has come live before a read of the log is in the log. */
  #beginRead (): void {
    this.#held = []
    this.#heldBytes = 0
    this.#hasDropped = false
  }

  /** Takes the held entries that come after the last one. They are few, so that nothing is awaited in between. */
  finish (): void {
    for (const entry of this.#held) {
      if (this.last !== null && this.#log.compare(entry.place, this.last.place) <= 0) continue
      this.last = entry
      this.#reader.take(entry)
    }
    this.#reader.arrive(this.last)
  }
}
