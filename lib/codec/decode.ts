import { WebSocketDecodeError } from '../base/errors'
import { encodeUtf8, strictUtf8, whyNoText } from './bytes'
import type { JsonMode, ValueType } from '../../types/message'

/** A received message: a string of a text frame, or the bytes of a binary frame. */
export type Message = string | Buffer

/** Decodes a message to a value. Throws `WebSocketDecodeError` if the message does not fit the type. */
export type Decode = (message: Message) => unknown

/** Parses JSON. Throws if `text` is no JSON. */
export type JsonParse = (text: string) => unknown

// Adjacent parts of these patterns never match the same character, so that matching takes time linear in the message's length.
const INTEGER = /^[+-]?\d+$/
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const DIGITS = /^\d+$/
const TRUE = /^[tT]rue$/
const FALSE = /^[fF]alse$/

function decodeText (message: Message): string {
  if (typeof message === 'string') return message
  throw new WebSocketDecodeError(whyNoText(message))
}

/** Returns the decoder of a type that `read` reads from a text. A text for which it returns undefined does not fit. */
function written (type: string, read: (text: string) => unknown): Decode {
  return (message) => {
    const value = read(decodeText(message))
    if (value === undefined) throw new WebSocketDecodeError(`the message is not ${type}`)
    return value
  }
}

function readInteger (text: string): number | undefined {
  const value = Number(text)
  return INTEGER.test(text) && Number.isSafeInteger(value) ? value + 0 : undefined // no negative zero
}

function readNumber (text: string): number | undefined {
  const value = Number(text)
  return NUMBER.test(text) && Number.isFinite(value) ? value : undefined
}

function readBoolean (text: string): boolean | undefined {
  if (TRUE.test(text)) return true
  if (FALSE.test(text)) return false
  return DIGITS.test(text) ? Number(text) !== 0 : undefined
}

function createJsonDecoder (parse: JsonParse, mode?: JsonMode): Decode {
  return (message) => {
    const isText = typeof message === 'string'
    if (mode !== undefined && isText !== (mode === 'text')) throw new WebSocketDecodeError(`expected JSON as ${mode}, received a ${isText ? 'text' : 'binary'} message`)
    try {
      return parse(isText ? message : strictUtf8(message))
    } catch (error) {
      throw new WebSocketDecodeError(`the message is not valid JSON: ${(error as Error).message}`, { cause: error })
    }
  }
}

/** A decoder for each type. `jsonText` takes JSON in text frames only, `jsonBytes` in binary frames only. */
export type Decoders = Record<ValueType | 'jsonText' | 'jsonBytes', Decode>

export function createDecoders (parse: JsonParse): Decoders {
  return {
    text: decodeText,
    bytes: (message) => typeof message === 'string' ? encodeUtf8(message) : message,
    json: createJsonDecoder(parse),
    jsonText: createJsonDecoder(parse, 'text'),
    jsonBytes: createJsonDecoder(parse, 'bytes'),
    integer: written('a safe integer', readInteger),
    number: written('a finite number', readNumber),
    boolean: written('a boolean: true, false, or digits', readBoolean),
    any: (message) => message
  }
}
