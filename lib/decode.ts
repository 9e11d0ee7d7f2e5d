import { isAscii, isUtf8 } from 'node:buffer'
import { WebSocketDecodeError } from './errors'
import type { JsonMode, ValueType } from '../types/message'

/** Turns a received frame's payload into a value; throws `WebSocketDecodeError` where it does not fit. */
export type Decode = (data: Buffer, isBinary: boolean) => unknown

/** Parses JSON; throws where it is none. */
export type JsonParse = (text: string) => unknown

const INTEGER = /^[+-]?\d+$/
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const DIGITS = /^\d+$/

/** From this length on, in bytes, it pays to look whether a text is ASCII, which need not be decoded. */
const LONG = 1024

/** The text that `data` is in UTF-8. */
export function textOf (data: Buffer): string {
  return data.length >= LONG && isAscii(data) ? data.toString('latin1') : data.toString()
}

/** A text as a string, bytes as they are. */
export function decodeAny (data: Buffer, isBinary: boolean): string | Buffer {
  return isBinary ? data : textOf(data)
}

function decodeBytes (data: Buffer): Buffer {
  return data
}

// `ws` has checked the UTF-8 of text frames (RFC 6455, section 8.1).
function decodeText (data: Buffer, isBinary: boolean): string {
  if (isBinary) throw new WebSocketDecodeError('expected a text message, received a binary one')
  return textOf(data)
}

function decodeInteger (data: Buffer, isBinary: boolean): number {
  const text = decodeText(data, isBinary)
  const value = Number(text)
  if (!INTEGER.test(text) || !Number.isSafeInteger(value)) throw new WebSocketDecodeError('the message is not a safe integer')
  return value + 0 // no negative zero
}

function decodeNumber (data: Buffer, isBinary: boolean): number {
  const text = decodeText(data, isBinary)
  const value = Number(text)
  if (!NUMBER.test(text) || !Number.isFinite(value)) throw new WebSocketDecodeError('the message is not a finite number')
  return value
}

function decodeBoolean (data: Buffer, isBinary: boolean): boolean {
  const text = decodeText(data, isBinary)
  if (text === 'true' || text === 'True') return true
  if (text === 'false' || text === 'False') return false
  if (DIGITS.test(text)) return Number(text) !== 0
  throw new WebSocketDecodeError('the message is not a boolean: true, false, or digits')
}

function createJsonDecoder (parse: JsonParse, mode?: JsonMode): Decode {
  return function decodeJson (data, isBinary) {
    if (mode !== undefined && isBinary !== (mode === 'bytes')) {
      throw new WebSocketDecodeError(`expected JSON in a ${mode === 'bytes' ? 'binary' : 'text'} message, received a ${isBinary ? 'binary' : 'text'} one`)
    }
    if (isBinary && !isUtf8(data)) throw new WebSocketDecodeError('the message is not valid JSON: it is not UTF-8')
    try {
      return parse(textOf(data))
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
