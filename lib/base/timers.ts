import { AsyncResource } from 'node:async_hooks'
import { MAX_DELAY } from './checks'
import { nextTurn, now, startTimer, stopTimer } from './clock'

/** The least time between two wake-ups, in milliseconds. Entries that are due in between wait for the next wake-up. */
const TICK = 10

/** An entry in the timers. */
export abstract class Entry {
  /** When the entry is due, in milliseconds on the clock of the timers. */
  due = 0
  /** The index of the entry in the heap of the timers; -1 while the entry is not in. */
  place = -1

  /** The timers call `look` once, when the entry is due. `look` may add the entry again. */
  abstract look (now: number): void
}

/**
 * Calls entries when they are due. One timer of Node serves all entries. It does not keep the process alive.
 *
 * The entries are in a binary heap: an entry is never due before its parent, which is at about half its index.
 */
export class Timers {
  readonly #heap: Entry[] = []
  #timer?: NodeJS.Timeout
  // A timer that is started in this scope keeps nothing alive of the request in whose async context an entry is added.
  readonly #scope = new AsyncResource('fastify-async-websocket.agenda')
  // Node runs timers before it reads from sockets, and immediates after. If something has kept the process busy, the bytes that
  // came meanwhile have been read when the entries are called.
  readonly #onTimer = (): void => { nextTurn(this.#onImmediate) }
  readonly #onImmediate = (): void => this.#look()

  /** Milliseconds. They are whole, because V8 stores a small integer without an object of its own. */
  get now (): number {
    return Math.floor(now())
  }

  get size (): number {
    return this.#heap.length
  }

  /** Adds `entry`, which must not be in yet. Its `look` is called after `due`, as a rule within some milliseconds. */
  add (entry: Entry, due: number): void {
    entry.due = due
    this.#rise(entry, this.#heap.push(entry) - 1)
    if (entry.place === 0) this.#arm(entry)
  }

  /** Removes `entry`, if it is in. */
  remove (entry: Entry): void {
    const { place } = entry
    if (place === -1) return
    entry.place = -1
    const last = this.#heap.pop()!
    if (last !== entry) {
      this.#rise(last, place)
      this.#sink(last, last.place)
    }
    if (this.#heap.length === 0) stopTimer(this.#timer)
  }

  #look (): void {
    const { now } = this
    let first = this.#heap[0]
    while (first !== undefined && first.due < now) {
      this.remove(first)
      first.look(now)
      first = this.#heap[0]
    }
    if (first !== undefined) this.#arm(first)
  }

  #arm ({ due }: Entry): void {
    stopTimer(this.#timer)
    const delay = Math.min(Math.max(due + 1 - this.now, TICK), MAX_DELAY)
    this.#timer = this.#scope.runInAsyncScope(startTimer, null, this.#onTimer, delay)
    this.#timer.unref()
  }

  /** Puts `entry` at `place`, or further up while its parent there is due later. */
  #rise (entry: Entry, place: number): void {
    while (place > 0) {
      const before = (place - 1) >> 1
      if (this.#heap[before].due <= entry.due) break
      this.#put(this.#heap[before], place)
      place = before
    }
    this.#put(entry, place)
  }

  /** Puts `entry` at `place`, or further down while a child there is due earlier. */
  #sink (entry: Entry, place: number): void {
    const { length } = this.#heap
    for (;;) {
      let next = 2 * place + 1
      if (next + 1 < length && this.#heap[next + 1].due < this.#heap[next].due) next++
      if (next >= length || this.#heap[next].due >= entry.due) break
      this.#put(this.#heap[next], place)
      place = next
    }
    this.#put(entry, place)
  }

  #put (entry: Entry, place: number): void {
    this.#heap[place] = entry
    entry.place = place
  }
}

/** The timers of this process. */
export const timers = new Timers()
