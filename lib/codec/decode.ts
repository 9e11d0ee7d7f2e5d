import { WebSocketDecodeError } from '../base/errors'
import { encodeUtf8, strictUtf8, whyNoText } from './bytes'
import type { EncodedType } from '../base/value-types'

/** A received message: a string of a text frame, or the bytes of a binary frame. */
export type Message = string | Buffer

/** Decodes a message to a value. Throws `WebSocketDecodeError` if the message does not fit the type. */
export type Decode = (message: Message) => unknown

/** Parses JSON. Throws if `text` is no JSON. */
export type JsonParse = (text: string) => unknown

// Adjacent parts of these patterns never match the same character, so that matching takes time linear in the message's length.
const INTEGER = /^[+-]?\d+$/
const NUMBER = /^[+-]?[\d.]+(e[+-]?\d+)?$/i
const BOOLEAN = /^([tT]rue|[fF]alse|\d+)$/
const FALSE = /^([fF]|0+$)/

function decodeText (message: Message): string {
  if (typeof message === 'string') return message
  throw new WebSocketDecodeError(whyNoText(message))
}

/** Returns the decoder of a type whose texts match `pattern`. A value that does not pass `fits` is of another type. */
function written (type: string, pattern: RegExp, read: (text: string) => unknown, fits: (value: unknown) => boolean): Decode {
  return (message) => {
    const text = decodeText(message)
    const value = read(text)
    if (pattern.test(text) && fits(value)) return value
    throw new WebSocketDecodeError(`the message is not ${type}`)
  }
}

/** A decoder for each type. */
export type Decoders = Record<EncodedType, Decode>

export function createDecoders (parse: JsonParse): Decoders {
  const json = (message: Message): unknown => {
    try {
      return parse(typeof message === 'string' ? message : strictUtf8(message))
    } catch (error) {
      throw new WebSocketDecodeError(`the message is not valid JSON: ${(error as Error).message}`, { cause: error })
    }
  }
  return {
    text: decodeText,
    bytes: (message) => typeof message === 'string' ? encodeUtf8(message) : message,
    json,
    jsonText: (message) => json(decodeText(message)),
    jsonBytes (message) {
      if (typeof message === 'string') throw new WebSocketDecodeError('expected a binary message')
      return json(message)
    },
    integer: written('a safe integer', INTEGER, (text) => Number(text) + 0, Number.isSafeInteger), // no negative zero
    number: written('a finite number', NUMBER, Number, Number.isFinite),
    boolean: written('a boolean', BOOLEAN, (text) => !FALSE.test(text), () => true),
    any: (message) => message
  }
}
