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
  atEnd (end: ConnectionEnd): Promise<unknown>
}

/** `ending` can be the name of a verb, which rejects with the connection's `WebSocketDisconnect`. */
function settledAt (end: ConnectionEnd, ending: string | Ending): Promise<unknown> {
  return typeof ending === 'string' ? rejected(end.during(ending)) : ending.atEnd(end)
}

export interface Flow {
  pause (): void
  resume (): void
}

/** The members of a circle in which a receive queue has its waiting readers, in the order of their calls. */
interface Link {
  next: Link
  previous: Link
}

/** A `receive` that waits for its message. */
class Reader extends Deferred<unknown> implements Link {
  next: Link = this
  previous: Link = this
  /** Ends the timer and the listener of a wait with limits. */
  release: (() => void) | null = null
  readonly #decode: Decode
  readonly #ending: string | Ending

  constructor (decode: Decode, ending: string | Ending) {
    super()
    this.#decode = decode
    this.#ending = ending
  }

  deliver (message: Message): void {
    this.leave()
    try {
      const value = this.#decode(message)
      if (value instanceof Promise) quiet(this.promise)
      this.resolve(value)
    } catch (error) {
      this.reject(error)
    }
  }

  end (end: ConnectionEnd): void {
    this.leave()
    this.follow(settledAt(end, this.#ending))
  }

  /** Waits no longer. May be called again. */
  leave (): void {
    this.previous.next = this.next
    this.next.previous = this.previous
    this.next = this.previous = this
    this.release?.()
  }

  /** Gives up when the timeout of `waitOptions` has run out, when their signal aborts, or if the signal cannot be listened to. */
  limit ({ timeout = Infinity, signal }: WaitOptions): void {
    const giveUp = (error: unknown): void => {
      this.leave()
      this.reject(error)
    }
    const onAbort = (): void => giveUp(reasonOf(signal!))
    const timer = timeout > MAX_DELAY ? undefined : setTimeout(() => giveUp(new WebSocketTimeoutError(`no message within ${timeout} ms`)), timeout)
    this.release = () => {
      clearTimeout(timer)
      forgetSignal(signal, onAbort)
    }
    try {
      listenTo(signal, onAbort)
    } catch (error) {
      giveUp(error)
    }
  }
}

/**
 * Holds the received messages that wait to be taken, or the readers that wait for messages, never both. The queue pauses the flow
 * above `highWaterMark` bytes and resumes it at half of `highWaterMark`.
 */
export class ReceiveQueue implements Recipient, Link {
  /** The messages that have been received, and their bytes. */
  messages = 0
  bytes = 0
  /** The first and the last reader of the circle; the queue itself while none waits. */
  next: Link = this
  previous: Link = this
  #backlog: Backlog | null = null
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
    if (this.next !== this) {
      (this.next as Reader).deliver(message)
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
  receive (decode: Decode, waitOptions?: WaitOptions, ending: string | Ending = 'receive'): Promise<unknown> {
    if (waitOptions?.signal?.aborted === true) return rejected(waitOptions.signal.reason)
    const message = this.#backlog?.shift()
    if (message !== undefined) return this.#take(message, decode)
    if (this.#end !== null) {
      this.#deadline = 0
      return settledAt(this.#end, ending)
    }
    const reader = new Reader(decode, ending)
    reader.next = this
    reader.previous = this.previous
    this.previous = this.previous.next = reader
    if (waitOptions !== undefined) reader.limit(waitOptions)
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
    this.#allowance = allowance
    if (this.#backlog !== null && this.#backlog.bytes > 0) this.#deadline = now() + allowance
    while (this.next !== this) (this.next as Reader).end(end)
  }

  #take (message: Message, decode: Decode): Promise<unknown> {
    if (this.#end !== null) this.#deadline = now() + this.#allowance
    if (this.#backlog!.bytes <= this.#highWaterMark / 2) this.#resume()
    try {
      const value = decode(message)
      return value instanceof Promise ? quiet(value) : Promise.resolve(value)
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
