import { nextTurn } from './clock'
import { Queue } from './queue'

/*
 * A turn of the event loop ends after the running callback and after all promise jobs that follow from the callback. The end
 * can be caught: Node runs a tick that a microtask queued when no microtask is left.
 */

/** An object with work to do at the end of the turn. */
export interface Flushable {
  flush (): void
}

const NOW = Promise.resolve()
const waiting = new Queue<Flushable>()
let first: Flushable | null = null
let isPlanned = false

/** The number of turns that have ended with something to flush. */
export let turn = 0

/** Flushes `flushable` at the end of this turn, after those that were passed before it. */
export function flushAfterTurn (flushable: Flushable): void {
  waiting.push(flushable)
  plan()
}

/** Flushes `flushable` at the end of this turn, before all that were passed to `flushAfterTurn`. There is one at a time. */
export function flushFirst (flushable: Flushable): void {
  first = flushable
  plan()
}

function plan (): void {
  if (isPlanned) return
  isPlanned = true
  NOW.then(onMicrotask) // costs less than half of queueMicrotask
}

/**
 * Flushes `flushable` when all promise jobs that follow from the running callback have run. If the callback is a tick of Node, the
 * flush of the turn may be an earlier one: its tick may have been queued before.
 */
export function flushAfterPromises (flushable: Flushable): void {
  NOW.then(() => process.nextTick(() => flushable.flush()))
}

function onMicrotask (): void {
  process.nextTick(flushAll)
}

function flushAll (): void {
  isPlanned = false
  for (let flushable = next(); flushable !== undefined; flushable = next()) flushable.flush()
  turn++
}

function next (): Flushable | undefined {
  const flushable = first
  first = null
  return flushable ?? waiting.shift()
}

let round = 0
let countedTo = 0

/** Returns a mark for `hasComeRound`. */
export function markRound (): number {
  if (round === countedTo) nextTurn(countRound)
  countedTo = round + 2 // the present round has passed some of the sockets already
  return countedTo
}

/** Whether the event loop has looked at every socket, for reading and writing, since `mark` was made. */
export function hasComeRound (mark: number): boolean {
  return round >= mark
}

function countRound (): void {
  round++
  if (round < countedTo) nextTurn(countRound)
}
