import type { BrokerEntry } from '../../../types/broker'

/*
 * The log of a topic is spread over the sequence numbers of a stream, which other topics share. The server finds the next message of
 * the topic from a number on, one for each request. So a reader asks from several numbers at once, each a part of a window of
 * numbers. The window grows with what is found. A reader that is nearly up to date takes two requests. A reader that has missed 100
 * messages waits for about 15 round trips.
 */

/** A kept message, and its sequence number in the stream. */
export interface Kept extends BrokerEntry {
  readonly sequence: number
}

/** Returns the first kept message of the topic whose sequence number is `sequence` or greater; null if there is none. */
export type Next = (sequence: number) => Promise<Kept | null>

/** The most walks at once, of one call. */
const MAX_WALKS = 16

/** The growth of the number of walks from window to window. */
const GROWTH = 4

/** The number of messages that a walk should find, and the most. A walk that could find more is cut. */
const STEPS = 2
const MAX_STEPS = 16

/** The growth of a window in which nothing was found. */
const LEAP = 8

/** A part of a window, and what was found there. */
interface Walk {
  readonly from: number
  /** Is excluded. */
  readonly to: number
  readonly found: Kept[]
  /** The first message after those found; null if there is none. */
  readonly next: Kept | null
}

/** Reads at most `count` messages from `sequence` on. */
export async function readForward (next: Next, sequence: number, count: number): Promise<Kept[]> {
  const found: Kept[] = []
  let first = await next(sequence)
  let spacing = 1
  for (let most = 1; first !== null; most = Math.min(most * GROWTH, walksFor(count - found.length))) {
    found.push(first)
    if (found.length >= count) break
    const from: number = first.sequence + 1
    const walks = await walkAll(next, from, from + Math.ceil(most * STEPS * spacing), most)
    const cut = walks.findIndex(isCut)
    const whole = cut === -1 ? walks : walks.slice(0, cut + 1)
    const messages = whole.flatMap(({ found }) => found)
    found.push(...messages)
    first = whole.at(-1)!.next
    if (first !== null) spacing = (first.sequence + 1 - from) / (messages.length + 1)
  }
  return found.slice(0, count)
}

/** Reads the newest `count` messages. `oldest` and `newest` are the first and the last message of the topic. */
export async function readBackward (next: Next, oldest: Kept, newest: Kept, count: number): Promise<Kept[]> {
  let found = [newest]
  let to = newest.sequence
  let spacing = 1
  for (let most = 1; found.length < count && to > oldest.sequence;) {
    const from = Math.max(oldest.sequence, to - Math.ceil(most * STEPS * spacing))
    const walks = await walkAll(next, from, to, most)
    const cut = walks.map(isCut).lastIndexOf(true)
    const messages = walks.slice(cut + 1).flatMap(({ found }) => found)
    found = [...messages, ...found]
    if (cut !== -1) {
      to = walks[cut].to
      most = MAX_WALKS
      spacing = (to - walks[cut].from) / (most * STEPS) // the walk that was cut becomes the window
    } else if (messages.length > 0) {
      most = Math.min(most * GROWTH, walksFor(count - found.length))
      spacing = (to - from) / messages.length
      to = from
    } else {
      most = 1 // where nothing is, each walk looks at all numbers up to the end of the window, and beyond
      spacing *= LEAP
      to = from
    }
  }
  return found.slice(-count)
}

/** The number of walks that should find `count` messages. */
function walksFor (count: number): number {
  return Math.min(Math.ceil(count / STEPS), MAX_WALKS)
}

/** Whether a walk was cut before its end. */
function isCut ({ next, to }: Walk): boolean {
  return next !== null && next.sequence < to
}

/** Reads the window of numbers from `from` up to `to`, which is excluded, by at most `most` walks. */
async function walkAll (next: Next, from: number, to: number, most: number): Promise<Walk[]> {
  const length = Math.max(1, Math.ceil((to - from) / most))
  const walks: Promise<Walk>[] = []
  for (let start = from; start < to; start += length) walks.push(walk(next, start, Math.min(start + length, to)))
  return await Promise.all(walks)
}

async function walk (next: Next, from: number, to: number): Promise<Walk> {
  const found: Kept[] = []
  let message = await next(from)
  while (message !== null && message.sequence < to && found.length < MAX_STEPS) {
    found.push(message)
    message = await next(message.sequence + 1)
  }
  return { from, to, found, next: message }
}
