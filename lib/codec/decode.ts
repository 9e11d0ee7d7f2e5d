import { constants, isAscii, isUtf8 } from 'node:buffer'
import { WebSocketDecodeError } from '../base/errors'
import type { JsonMode, ValueType } from '../../types/message'

/** What has arrived: a text, or bytes. */
export type Message = string | Buffer

/** Turns what has arrived into a value; throws `WebSocketDecodeError` where it does not fit. */
export type Decode = (message: Message) => unknown

/** Parses JSON; throws where it is none. */
export type JsonParse = (text: string) => unknown

// No two parts that follow one another take the same characters: the time to match is linear in the length of a message.
const INTEGER = /^[+-]?\d+$/
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/
const DIGITS = /^\d+$/

/** From this length on, in bytes, it pays to look whether a text is ASCII, which need not be decoded. */
const LONG = 1024

/** The text that `data` is in UTF-8. */
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

/** A decoder for each type; `jsonText` and `jsonBytes` take JSON in one kind of frame only. */
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
