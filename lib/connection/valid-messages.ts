import { quiet } from '../base/deferred'
import { WebSocketDecodeError, WebSocketValidationError } from '../base/errors'

/** Is given what a message has failed with, in place of the message. */
export type OnInvalid = (error: WebSocketDecodeError | WebSocketValidationError) => unknown

/** Leaves out of `messages` what does not decode or validate: `onInvalid` is awaited, and what that throws is thrown. */
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
