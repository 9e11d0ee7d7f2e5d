import { checkOneOf } from '../base/checks'
import { createDecoders, type Decode, type Decoders, type JsonParse, type Message } from './decode'
import { createEncoders, type Encode, type Encoders, type JsonSerialize } from './encode'
import type { JsonMode, ValueType } from '../../types/message'

/**
 * Validates a decoded value; `message` is what it was decoded from. Returns the value as the schema coerces it, or a promise of it.
 * Throws, or rejects with, `WebSocketValidationError`.
 */
export type Validate = (value: unknown, message: Message) => unknown

export interface CodecOptions {
  receiveType?: ValueType
  sendType?: ValueType
  parse?: JsonParse
  serialize?: JsonSerialize
  validate?: Validate
}

export const VALUE_TYPES: readonly ValueType[] = ['text', 'bytes', 'json', 'integer', 'number', 'boolean', 'any']
export const JSON_MODES: readonly JsonMode[] = ['text', 'bytes']

function jsonName (mode: JsonMode | undefined): 'json' | 'jsonText' | 'jsonBytes' {
  if (mode === undefined) return 'json'
  checkOneOf('mode', mode, JSON_MODES)
  return mode === 'bytes' ? 'jsonBytes' : 'jsonText'
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
  readonly #resultDecoder: Decode

  constructor ({ receiveType = 'text', sendType = 'any', parse = JSON.parse, serialize = JSON.stringify, validate }: CodecOptions) {
    this.#decoders = createDecoders(parse)
    this.#encoders = createEncoders(serialize)
    if (validate !== undefined) {
      for (const name of Object.keys(this.#decoders) as (keyof Decoders)[]) {
        this.#decoders[name] = validated(this.#decoders[name], validate)
      }
    }
    this.decode = this.#decoders[receiveType]
    this.#resultDecoder = resultOf(this.decode)
    this.encode = this.#encoders[sendType]
    this.sendType = sendType
  }

  /** The decoder of `type`, or of the route's type. Throws `WebSocketOptionError` for an unknown type. */
  decoder (type: ValueType | undefined): Decode {
    if (type === undefined) return this.decode
    checkOneOf('type', type, VALUE_TYPES)
    return this.#decoders[type]
  }

  /** Like `decoder`, for an iterator: the value comes in an `IteratorResult`. */
  resultDecoder (type: ValueType | undefined): Decode {
    return type === undefined ? this.#resultDecoder : resultOf(this.decoder(type))
  }

  /** The encoder of `type`, or of the route's type. Throws `WebSocketOptionError` for an unknown type. */
  encoder (type: ValueType | undefined): Encode {
    if (type === undefined) return this.encode
    checkOneOf('type', type, VALUE_TYPES)
    return this.#encoders[type]
  }

  jsonDecoder (mode: JsonMode | undefined): Decode {
    return this.#decoders[jsonName(mode)]
  }

  jsonEncoder (mode: JsonMode | undefined): Encode {
    return this.#encoders[jsonName(mode)]
  }
}

function validated (decode: Decode, validate: Validate): Decode {
  return (message) => validate(decode(message), message)
}

function resultOf (decode: Decode): Decode {
  return (message) => {
    const value = decode(message)
    return value instanceof Promise ? value.then((value) => ({ done: false, value })) : { done: false, value }
  }
}
