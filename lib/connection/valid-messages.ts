import { quiet } from '../base/deferred'
import { WebSocketDecodeError, WebSocketValidationError } from '../base/errors'

/** Gets the error of an invalid message, in place of the message. */
export type OnInvalid = (error: WebSocketDecodeError | WebSocketValidationError) => unknown

/**
 * Iterates over `messages` without those that do not decode or validate. `onInvalid` gets their errors and is awaited. The
 * iteration throws what `onInvalid` throws.
 */
export class ValidMessages implements AsyncIterableIterator<any> {
  readonly #messages: AsyncIterableIterator<any>
  readonly #onInvalid: OnInvalid

  constructor (messages: AsyncIterableIterator<any>, onInvalid: OnInvalid) {
    this.#messages = messages
    this.#onInvalid = onInvalid
  }

  [Symbol.asyncIterator] (): this {
    return this
  }

  next (): Promise<IteratorResult<any>> {
    return quiet(this.#next())
  }

  async #next (): Promise<IteratorResult<any>> {
    while (true) {
      try {
        return await this.#messages.next()
      } catch (error) {
        if (!(error instanceof WebSocketDecodeError || error instanceof WebSocketValidationError)) throw error
        await this.#onInvalid(error)
      }
    }
  }
}
