import { constants, isAscii, isUtf8 } from 'node:buffer'
import { WebSocketDecodeError } from '../base/errors'
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

/** Bytes. From this length on, a check for ASCII pays, since ASCII need not be decoded as UTF-8. */
const LONG = 1024

/** Decodes `data` from UTF-8. */
export function textOf (data: Buffer): string {
  return data.length >= LONG && isAscii(data) ? data.toString('latin1') : data.toString()
}

function decodeAny (message: Message): Message {
  return message
}

function decodeBytes (message: Message): Buffer {
  return typeof message === 'string' ? Buffer.from(message) : message
}

function decodeText (message: Message): string {
  if (typeof message === 'string') return message
  const isLong = message.length > constants.MAX_STRING_LENGTH
  throw new WebSocketDecodeError(isLong ? 'the message is too long for a string' : 'expected a text message, received a binary one')
}

function decodeInteger (message: Message): number {
  const text = decodeText(message)
  const value = Number(text)
  if (!INTEGER.test(text) || !Number.isSafeInteger(value)) throw new WebSocketDecodeError('the message is not a safe integer')
  return value + 0 // no negative zero
}

function decodeNumber (message: Message): number {
  const text = decodeText(message)
  const value = Number(text)
  if (!NUMBER.test(text) || !Number.isFinite(value)) throw new WebSocketDecodeError('the message is not a finite number')
  return value
}

function decodeBoolean (message: Message): boolean {
  const text = decodeText(message)
  if (text === 'true' || text === 'True') return true
  if (text === 'false' || text === 'False') return false
  if (DIGITS.test(text)) return Number(text) !== 0
  throw new WebSocketDecodeError('the message is not a boolean: true, false, or digits')
}

function createJsonDecoder (parse: JsonParse, mode?: JsonMode): Decode {
  return function decodeJson (message) {
    const isText = typeof message === 'string'
    if (mode !== undefined && isText !== (mode === 'text')) {
      throw new WebSocketDecodeError(`expected JSON in a ${mode === 'bytes' ? 'binary' : 'text'} message, received a ${isText ? 'text' : 'binary'} one`)
    }
    if (!isText && !isUtf8(message)) throw new WebSocketDecodeError('the message is not valid JSON: it is not UTF-8')
    try {
      return parse(isText ? message : textOf(message))
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
    bytes: decodeBytes,
    json: createJsonDecoder(parse),
    jsonText: createJsonDecoder(parse, 'text'),
    jsonBytes: createJsonDecoder(parse, 'bytes'),
    integer: decodeInteger,
    number: decodeNumber,
    boolean: decodeBoolean,
    any: decodeAny
  }
}
