import { createDecoders, type Decode } from './decode'
import { createEncoders, type Encode } from './encode'
import type { EncodedType } from '../base/value-types'
import type { ValueType } from '../../types/value'
import type { Validate } from './codec'

interface CodecOptions {
  /** Sets `receiveType` and `sendType` at once. */
  valueType?: ValueType
  receiveType?: ValueType
  sendType?: ValueType
  /** Sees each decoded value. */
  validate?: Validate
}

/** The decoders and encoders of a client. */
export class Codec {
  readonly #decoders = createDecoders(JSON.parse)
  readonly #encoders = createEncoders(JSON.stringify)
  readonly #options: CodecOptions

  constructor (options: CodecOptions) {
    this.#options = options
  }

  /** The decoder of `type`, or of the client's type. */
  decoder (type: EncodedType = this.#options.receiveType ?? this.#options.valueType ?? 'text'): Decode {
    const { validate } = this.#options
    const decode = this.#decoders[type]
    return validate === undefined ? decode : (message) => validate(decode(message), message)
  }

  /** The encoder of `type`, or of the client's type. */
  encoder (type: EncodedType = this.#options.sendType ?? this.#options.valueType ?? 'any'): Encode {
    return this.#encoders[type]
  }
}
