import { createDecoders, type Decode, type Decoders, type JsonParse, type Message } from './decode'
import { createEncoders, type Encode, type Encoders, type JsonSerialize } from './encode'
import type { EncodedType } from '../base/value-types'
import type { ValueType } from '../../types/message'

/**
 * Validates a decoded value; `message` is what it was decoded from. Returns the value as the schema coerces it, or a promise of it.
 * Throws, or rejects with, `WebSocketValidationError`.
 */
export type Validate = (value: unknown, message: Message) => unknown

export interface CodecOptions {
  /** Sets `receiveType` and `sendType` at once. */
  valueType?: ValueType
  receiveType?: ValueType
  sendType?: ValueType
  parse?: JsonParse
  serialize?: JsonSerialize
  validate?: Validate
}

/** The decoders and encoders of a route. A route has one codec, which all its connections share. */
export class Codec {
  /** The decoder of a `receive` without a type. */
  readonly decode: Decode
  /** The encoder of a `send` without a type. */
  readonly encode: Encode
  readonly sendType: ValueType
  readonly #decoders: Decoders
  readonly #encoders: Encoders

  constructor ({ valueType, receiveType = valueType ?? 'text', sendType = valueType ?? 'any', parse = JSON.parse, serialize = JSON.stringify, validate }: CodecOptions) {
    this.#decoders = createDecoders(parse)
    this.#encoders = createEncoders(serialize)
    if (validate !== undefined) {
      for (const name of Object.keys(this.#decoders) as (keyof Decoders)[]) {
        this.#decoders[name] = validated(this.#decoders[name], validate)
      }
    }
    this.decode = this.#decoders[receiveType]
    this.encode = this.#encoders[sendType]
    this.sendType = sendType
  }

  /** The decoder of `type`, or of the route's type. */
  decoder (type: EncodedType | undefined): Decode {
    return type === undefined ? this.decode : this.#decoders[type]
  }

  /** The encoder of `type`, or of the route's type. */
  encoder (type: EncodedType | undefined): Encode {
    return type === undefined ? this.encode : this.#encoders[type]
  }
}

function validated (decode: Decode, validate: Validate): Decode {
  return (message) => validate(decode(message), message)
}
