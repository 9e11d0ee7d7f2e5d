import { MAX_DELAY } from '../base/checks'
import { now } from '../base/clock'
import { Deferred, quiet, rejected } from '../base/deferred'
import { WebSocketTimeoutError } from '../base/errors'
import { forgetSignal, listenTo, reasonOf } from '../base/signal'
import { Backlog } from './backlog'
import type { ConnectionEnd } from '../base/connection-end'
import type { WaitOptions } from '../base/verb-options'
import type { Decode, Message } from '../codec/decode'
import type { Recipient } from '../protocol/recipient'

/** Decides how a `receive` settles at the end of the connection. */
export interface Ending {
  /** Returns the value to resolve with, or throws the error to reject with. */
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
  /** The readers after and before this one. */
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

  /** Runs when the reader has been added to the receive queue. */
  wait (): void {}

  protected settled (): void {}
}

/** A reader with a timeout or a signal. When one ends the wait, the reader leaves the receive queue and rejects. */
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
    if (this.#isOver) return // the signal of a library may call a listener that was removed
    this.#receiveQueue.forget(this)
    this.settled()
    this.reject(error)
  }
}

/**
 * Holds the received messages that wait to be taken, or the readers that wait for messages, never both. The queue pauses the flow
 * above `highWaterMark` bytes and resumes it at half of `highWaterMark`.
 */
export class ReceiveQueue implements Recipient {
  /** The messages that have been received, and their bytes. */
  messages = 0
  bytes = 0
  #backlog: Backlog | null = null
  // The waiting readers in the order of their calls. A linked list, since mostly there is one.
  #first: Reader | null = null
  #last: Reader | null = null
  readonly #highWaterMark: number
  readonly #flow: Flow
  #paused = false
  #discarding = false
  #end: ConnectionEnd | null = null
  /** The milliseconds that the handler has for each message before the end. */
  #allowance = 0
  /** The time by which the handler must take the next message before the end; 0 while there is none. */
  #deadline = 0

  constructor (highWaterMark: number, flow: Flow) {
    this.#highWaterMark = highWaterMark
    this.#flow = flow
  }

  /** Gives a received message to the first reader, or keeps it. */
  push (message: Message, bytes: number): void {
    if (this.#discarding) return
    this.messages++
    this.bytes += bytes
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
   * Takes the next message and decodes it. Readers are served in the order of their calls. Rejects
   *
   * - with the error of `decode`,
   * - with `WebSocketTimeoutError` or the signal's reason when `waitOptions` end the wait; no message is taken then,
   * - at the end of the connection with its `WebSocketDisconnect`; `ending` may decide otherwise.
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

  /** Drops the queued messages and those that still arrive. */
  discard (): void {
    this.#backlog = null
    this.seal()
  }

  /** Drops the messages that still arrive. The queued messages can be taken. */
  seal (): void {
    this.#discarding = true
    this.#resume()
  }

  /** Whether the connection has ended, messages before the end still wait, and the handler takes them in time. */
  get isCatchingUp (): boolean {
    return now() < this.#deadline
  }

  /**
   * Ends the queue: readers that find no message get `end`. `allowance`: the milliseconds within which the handler must take the
   * first waiting message, and then each next one, to count as catching up.
   */
  end (end: ConnectionEnd, allowance: number): void {
    this.#end = end
    if (this.#backlog !== null && this.#backlog.bytes > 0) this.#allow(allowance)
    for (let reader = this.#first; reader !== null; reader = this.#first) {
      this.#forgetFirst(reader)
      reader.end(end)
    }
  }

  /** Removes `reader`, which no longer waits. */
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
    if (this.#backlog!.bytes <= this.#highWaterMark / 2) this.#resume()
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

  #resume (): void {
    if (!this.#paused) return
    this.#paused = false
    this.#flow.resume()
  }
}
