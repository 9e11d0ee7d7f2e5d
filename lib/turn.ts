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
