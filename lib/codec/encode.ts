import { WebSocketEncodeError } from '../base/errors'
import { describe, messageOf } from '../base/show'
import { encodeUtf8, isAnyArrayBuffer } from './bytes'
import type { ValueType } from '../../types/message'

/**
 * The payload of a message. A string travels in a text frame, bytes travel in a binary frame. The bytes belong to the caller of
 * `send`, who may change them once `send` has resolved. Code that keeps the bytes for longer makes a copy.
 */
export type Payload = string | Uint8Array

/** Encodes a value to a payload. Throws `WebSocketEncodeError` if the value does not fit the type. */
export type Encode = (value: any) => Payload

/** Serializes a value to JSON. */
export type JsonSerialize = (value: unknown) => string

function misfit (type: string, value: unknown): WebSocketEncodeError {
  return new WebSocketEncodeError(`cannot send ${describe(value)} as ${type}`)
}

export function isBytes (value: unknown): value is ArrayBufferView | ArrayBufferLike {
  return ArrayBuffer.isView(value) || isAnyArrayBuffer(value)
}

/** The bytes of a view or a buffer. Throws `WebSocketEncodeError` if the memory has been transferred to another owner. */
export function bytesOf (value: ArrayBufferView | ArrayBufferLike): Uint8Array {
  if (value instanceof Uint8Array && value.length > 0) return value // a view of transferred memory has the length 0
  try {
    const bytes = ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value)
    return value instanceof Uint8Array ? value : bytes
  } catch (error) {
    throw new WebSocketEncodeError('cannot send bytes whose memory has been transferred', { cause: error })
  }
}

/** Returns the encoder of the values that pass `fits`. */
function typed (type: string, fits: (value: any) => boolean, encode: Encode): Encode {
  return (value) => {
    if (!fits(value)) throw misfit(type, value)
    return encode(value)
  }
}

/** `value` in decimal without an exponent. `String` writes an exponent from 1e21 up and from 1e-7 down. */
function decimal (value: number): string {
  const text = String(value)
  const [mantissa, exponent] = text.split('e')
  if (exponent === undefined) return text
  if (Number(exponent) > 0) return BigInt(value).toString()
  const sign = value < 0 ? '-' : ''
  return `${sign}0.${'0'.repeat(-Number(exponent) - 1)}${mantissa.replace(/[-.]/g, '')}`
}

function createJsonEncoder (serialize: JsonSerialize): Encode {
  return function encodeJson (value) {
    let json
    try {
      json = serialize(value)
    } catch (error) {
      throw new WebSocketEncodeError(`cannot send ${describe(value)} as JSON: ${messageOf(error)}`, { cause: error })
    }
    if (typeof json !== 'string') throw misfit('JSON', value)
    return json
  }
}

/** An encoder for each type. `jsonBytes` encodes JSON for a binary frame. */
export type Encoders = Record<ValueType | 'jsonText' | 'jsonBytes', Encode>

export function createEncoders (serialize: JsonSerialize): Encoders {
  const json = createJsonEncoder(serialize)
  const number = typed('a number', Number.isFinite, decimal)
  return {
    text: typed('text', (value) => typeof value === 'string', (value) => value),
    bytes: typed('bytes', isBytes, bytesOf),
    json,
    jsonText: json,
    jsonBytes: (value) => encodeUtf8(json(value) as string),
    integer: typed('an integer', Number.isSafeInteger, String),
    number,
    boolean: typed('a boolean', (value) => typeof value === 'boolean', String),
    any (value) {
      switch (typeof value) {
        case 'string': return value
        case 'boolean': return String(value)
        case 'number': return number(value)
        default: return isBytes(value) ? bytesOf(value) : json(value)
      }
    }
  }
}
