import { nextTurn } from './clock'
import { Queue } from './queue'

/**
 * The end of a turn of the event loop: after the callback that runs now, and after all promises that follow from it.
 * A tick that is queued by a microtask runs when no microtask is left.
 */

/** Who has something to write at the end of the turn. */
export interface Flushable {
  flush (): void
}

const NOW = Promise.resolve()
const waiting = new Queue<Flushable>()
let isPlanned = false

/** Flushes `flushable` at the end of this turn, after those that asked for it before. */
export function flushAfterTurn (flushable: Flushable): void {
  waiting.push(flushable)
  if (isPlanned) return
  isPlanned = true
  NOW.then(onMicrotask) // costs less than half of queueMicrotask
}

function onMicrotask (): void {
  process.nextTick(flushAll)
}

function flushAll (): void {
  isPlanned = false
  for (let flushable = waiting.shift(); flushable !== undefined; flushable = waiting.shift()) flushable.flush()
}

let round = 0
let countedTo = 0

/** Returns what `hasComeRound` takes. */
export function markRound (): number {
  if (round === countedTo) nextTurn(countRound)
  countedTo = round + 2 // this one has seen some of the sockets already
  return countedTo
}

/** Whether the event loop has seen what there is to read and to write on all sockets since `mark` was made. */
export function hasComeRound (mark: number): boolean {
  return round >= mark
}

function countRound (): void {
  round++
  if (round < countedTo) nextTurn(countRound)
}
