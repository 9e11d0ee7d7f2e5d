import { rejected } from '../base/deferred'
import type { ReceiveOptions, WaitOptions } from '../base/verb-options'
import type { Decode } from '../codec/decode'
import type { ValueType } from '../../types/message'

/** The options of an iterator, which it reads once, at the first `next`. */
export interface Iteration {
  /** Makes an `IteratorResult` of a message. */
  decode: Decode
  /** How long the iterator waits for each message. */
  waitOptions: WaitOptions | undefined
}

/** The part of a channel that an iterator uses. */
export interface IterableChannel {
  /** Reads `options`. Throws what reading them throws. */
  iteration (options: ValueType | ReceiveOptions | undefined): Iteration
  /** Resolves with the next message, or with the end of the iteration. Throws if the handshake is not complete. */
  receiveResult (iteration: Iteration): Promise<IteratorResult<any>>
}

/** Iterates over the messages of a channel. */
export class MessageIterator implements AsyncIterableIterator<any> {
  readonly #channel: IterableChannel
  readonly #options: ValueType | ReceiveOptions | undefined
  #iteration: Iteration | null = null

  constructor (channel: IterableChannel, options: ValueType | ReceiveOptions | undefined) {
    this.#channel = channel
    this.#options = options
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  next (): Promise<IteratorResult<any>> {
    try {
      this.#iteration ??= this.#channel.iteration(this.#options)
      return this.#channel.receiveResult(this.#iteration)
    } catch (error) {
      return rejected(error)
    }
  }
}

/** Returns a decoder that wraps what `decode` returns in an `IteratorResult`. */
export function resultOf (decode: Decode): Decode {
  return (message) => {
    const value = decode(message)
    return value instanceof Promise ? value.then((value) => ({ done: false, value })) : { done: false, value }
  }
}
