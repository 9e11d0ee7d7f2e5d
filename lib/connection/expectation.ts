import { WebSocketDecodeError, WebSocketExpectError } from '../base/errors'
import { isBytes } from '../codec/encode'
import { isEqual } from './equality'
import type { Decode, Message } from '../codec/decode'
import type { ValueType } from '../../types/message'

/** The type as which `expect` receives, by the type of the expected message. */
export function typeOf (message: unknown): ValueType {
  switch (typeof message) {
    case 'string': return 'text'
    case 'boolean': return 'boolean'
    case 'number': return 'number'
    default: return isBytes(message) ? 'bytes' : 'json'
  }
}

/** The message that `expect` waits for. */
export class Expectation {
  readonly #expected: unknown
  readonly #decode: Decode
  /** Why the message that was received does not decode. */
  #misfit: WebSocketDecodeError | undefined

  /** `decode` is the decoder of the type as which `expected` is received. */
  constructor (expected: unknown, decode: Decode) {
    this.#expected = expected
    this.#decode = decode
  }

  /** Returns the value of `message`, or `message` itself if it does not decode. */
  readonly decode = (message: Message): unknown => {
    try {
      return this.#decode(message)
    } catch (error) {
      if (!(error instanceof WebSocketDecodeError)) throw error
      this.#misfit = error
      return message
    }
  }

  /** Throws `WebSocketExpectError` unless `received`, which `decode` has returned, is equal to the expected message. */
  check (received: unknown): void {
    if (this.#misfit === undefined && isEqual(this.#expected, received)) return
    throw new WebSocketExpectError('received another message than the expected one', this.#expected, received, { cause: this.#misfit })
  }
}
