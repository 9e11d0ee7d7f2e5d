import { AsyncResource } from 'node:async_hooks'
import { MAX_DELAY } from './checks'
import { nextTurn, now, startTimer, stopTimer } from './clock'

/** The least time from one look to the next, in milliseconds: those that are due in between are looked at together. */
const TICK = 10

/** Something to be looked at when it is due. */
export abstract class Entry {
  /** On the clock of the timers. */
  due = 0
  /** Where it stands in the timers; -1 where it does not. */
  place = -1

  /** Called once, when it is due; adds itself again if it is to be looked at again. */
  abstract look (now: number): void
}

/**
 * What is to be looked at, and when: one timer for all of it, which does not keep the process alive.
 *
 * A binary heap: none of its entries is due before the one at half of its place.
 */
export class Timers {
  readonly #heap: Entry[] = []
  #timer?: NodeJS.Timeout
  // Made here, a timer keeps nothing of the request in whose async context an entry is added.
  readonly #scope = new AsyncResource('fastify-async-websocket.agenda')
  // Timers come before what has arrived is read, immediates after it. Where something has kept the process busy, what
  // has arrived meanwhile is known when entries are looked at.
  readonly #onTimer = (): void => { nextTurn(this.#onImmediate) }
  readonly #onImmediate = (): void => this.#look()

  /** Milliseconds, whole so that they take no memory of their own. */
  get now (): number {
    return Math.floor(now())
  }

  get size (): number {
    return this.#heap.length
  }

  /** Has `entry`, which is not in yet, looked at after `due`: never before, and as a rule within some milliseconds. */
  add (entry: Entry, due: number): void {
    entry.due = due
    this.#rise(entry, this.#heap.push(entry) - 1)
    if (entry.place === 0) this.#arm(entry)
  }

  /** Takes `entry` out, if it is in. */
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

  /** Puts `entry` at `place`, or as far in front of it as it is due before those that stand there. */
  #rise (entry: Entry, place: number): void {
    while (place > 0) {
      const before = (place - 1) >> 1
      if (this.#heap[before].due <= entry.due) break
      this.#put(this.#heap[before], place)
      place = before
    }
    this.#put(entry, place)
  }

  /** Puts `entry` at `place`, or as far behind it as those that stand there are due before it. */
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

/** That of the process. */
export const timers = new Timers()
