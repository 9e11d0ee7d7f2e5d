import { MAX_DELAY } from '../base/checks'
import { now } from '../base/clock'
import { Deferred, quiet, rejected } from '../base/deferred'
import { WebSocketTimeoutError } from '../base/errors'
import { forgetSignal, listenTo, reasonOf } from '../base/guarded-signal'
import { Backlog } from './backlog'
import type { ConnectionEnd } from '../base/connection-end'
import type { WaitOptions } from '../base/verb-options'
import type { Decode, Message } from '../codec/decode'
import type { Recipient } from '../protocol/recipient'

/** What a `receive` makes of the end of the connection. */
export interface Ending {
  /** What it is to resolve with; or throws what it is to reject with. */
  atEnd (end: ConnectionEnd): unknown
}

/** The ending of a verb that rejects with the connection's `WebSocketDisconnect`. */
export function rejecting (verb: string): Ending {
  return { atEnd (end) { throw end.during(verb) } }
}

const RECEIVE = rejecting('receive')

export interface Flow {
  pause (): void
  resume (): void
}

/** A `receive` that waits for its message. */
class Reader extends Deferred<unknown> {
  /** Who has come after it, and before. */
  next: Reader | null = null
  previous: Reader | null = null
  readonly #decode: Decode
  readonly #ending: Ending

  constructor (decode: Decode, ending: Ending) {
    super()
    this.#decode = decode
    this.#ending = ending
  }

  deliver (message: Message): void {
    this.settled()
    try {
      const value = this.#decode(message)
      if (value instanceof Promise) quiet(this.promise)
      this.resolve(value)
    } catch (error) {
      this.reject(error)
    }
  }

  end (end: ConnectionEnd): void {
    this.settled()
    try {
      this.resolve(this.#ending.atEnd(end))
    } catch (error) {
      this.reject(error)
    }
  }

  /** It is in the receive queue. */
  wait (): void {}

  protected settled (): void {}
}

/** One that waits for no longer than its `waitOptions`, then leaves the receive queue and rejects. */
class PatientReader extends Reader {
  readonly #receiveQueue: ReceiveQueue
  readonly #waitOptions: WaitOptions
  #isOver = false
  #timer?: NodeJS.Timeout
  readonly #onAbort = (): void => this.#giveUp(reasonOf(this.#waitOptions.signal!))

  constructor (decode: Decode, ending: Ending, waitOptions: WaitOptions, receiveQueue: ReceiveQueue) {
    super(decode, ending)
    this.#receiveQueue = receiveQueue
    this.#waitOptions = waitOptions
  }

  override wait (): void {
    const { timeout, signal } = this.#waitOptions
    if (timeout !== undefined && timeout <= MAX_DELAY) {
      this.#timer = setTimeout(() => this.#giveUp(new WebSocketTimeoutError(`no message within ${timeout} ms`)), timeout)
    }
    try {
      if (signal !== undefined) listenTo(signal, this.#onAbort)
    } catch (error) {
      this.#giveUp(error)
    }
  }

  protected override settled (): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    if (this.#waitOptions.signal !== undefined) forgetSignal(this.#waitOptions.signal, this.#onAbort)
  }

  #giveUp (error: unknown): void {
    if (this.#isOver) return // a signal that is not Node's may tell whom it was to forget
    this.#receiveQueue.forget(this)
    this.settled()
    this.reject(error)
  }
}

/**
 * The received messages that wait to be taken, or the readers that wait for messages: never both.
 * Above `highWaterMark` bytes it pauses the flow, at half of it it lets the flow go on.
 */
export class ReceiveQueue implements Recipient {
  #backlog: Backlog | null = null
  // Of those who wait, in the order in which they came: a list, since mostly there is one.
  #first: Reader | null = null
  #last: Reader | null = null
  readonly #highWaterMark: number
  readonly #flow: Flow
  #paused = false
  #discarding = false
  #end: ConnectionEnd | null = null
  /** How long who takes the messages before the end may take for each, in milliseconds, and until when the next is to be taken. */
  #allowance = 0
  #deadline = 0

  constructor (highWaterMark: number, flow: Flow) {
    this.#highWaterMark = highWaterMark
    this.#flow = flow
  }

  /** A message has arrived. */
  push (message: Message, bytes: number): void {
    if (this.#discarding) return
    const reader = this.#first
    if (reader !== null) {
      this.#forgetFirst(reader)
      reader.deliver(message)
      return
    }
    this.#backlog ??= new Backlog()
    this.#backlog.push(message, bytes)
    if (this.#backlog.bytes > this.#highWaterMark && !this.#paused) {
      this.#paused = true
      this.#flow.pause()
    }
  }

  /**
   * Takes the next message and decodes it. Readers are served in the order in which they came.
   * Rejects with what `decode` throws, with `WebSocketTimeoutError` or the signal's reason when
   * `waitOptions` ends (no message is taken then), and at the end of the connection with its `WebSocketDisconnect`,
   * unless `ending` makes something else of it.
   */
  receive (decode: Decode, waitOptions?: WaitOptions, ending = RECEIVE): Promise<unknown> {
    if (waitOptions?.signal?.aborted === true) return rejected(waitOptions.signal.reason)
    const message = this.#backlog?.shift()
    if (message !== undefined) return this.#take(message, decode)
    if (this.#end !== null) return this.#receiveEnd(this.#end, ending)
    const reader = waitOptions === undefined ? new Reader(decode, ending) : new PatientReader(decode, ending, waitOptions, this)
    if (this.#last === null) {
      this.#first = reader
    } else {
      reader.previous = this.#last
      this.#last.next = reader
    }
    this.#last = reader
    reader.wait()
    return reader.promise
  }

  /** Nothing more is wanted: what is queued and what still arrives is dropped. */
  discard (): void {
    this.#backlog = null
    this.seal()
  }

  /** What still arrives is dropped; what is queued can be taken. */
  seal (): void {
    this.#discarding = true
    this.#goOn()
  }

  /** Whether the end has come, and who takes the messages before it has not got so far, but goes on. */
  get isCatchingUp (): boolean {
    return now() < this.#deadline
  }

  /**
   * Nothing more will come: readers that find no message are given the end. `allowance`: within how many milliseconds the
   * first of the messages that wait, and each after it, has to be taken to count as going on.
   */
  end (end: ConnectionEnd, allowance: number): void {
    this.#end = end
    if (this.#backlog !== null && this.#backlog.bytes > 0) this.#allow(allowance)
    for (let reader = this.#first; reader !== null; reader = this.#first) {
      this.#forgetFirst(reader)
      reader.end(end)
    }
  }

  /** `reader` no longer waits. */
  forget (reader: Reader): void {
    const { previous, next } = reader
    if (previous === null) return this.#forgetFirst(reader)
    previous.next = next
    if (next === null) this.#last = previous
    else next.previous = previous
  }

  #forgetFirst (reader: Reader): void {
    this.#first = reader.next
    if (reader.next === null) this.#last = null
    else reader.next.previous = null
  }

  #take (message: Message, decode: Decode): Promise<unknown> {
    if (this.#end !== null) this.#allow(this.#allowance)
    if (this.#backlog!.bytes <= this.#highWaterMark / 2) this.#goOn()
    try {
      const value = decode(message)
      return value instanceof Promise ? quiet(value) : Promise.resolve(value)
    } catch (error) {
      return rejected(error)
    }
  }

  #allow (allowance: number): void {
    this.#allowance = allowance
    this.#deadline = now() + allowance
  }

  #receiveEnd (end: ConnectionEnd, ending: Ending): Promise<unknown> {
    this.#deadline = 0
    try {
      return Promise.resolve(ending.atEnd(end))
    } catch (error) {
      return rejected(error)
    }
  }

  #goOn (): void {
    if (!this.#paused) return
    this.#paused = false
    this.#flow.resume()
  }
}
