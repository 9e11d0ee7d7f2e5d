import { WebSocketEncodeError } from '../base/errors'
import { describe, messageOf } from '../base/show'
import { encodeUtf8, isAnyArrayBuffer } from './bytes'
import type { EncodedType } from '../base/value-types'

/**
 * The payload of a message. A string travels in a text frame, bytes travel in a binary frame. The bytes belong to the caller of
 * `send`, who may change them once `send` has resolved. Code that keeps the bytes for longer makes a copy.
 */
export type Payload = string | Uint8Array

/** Encodes a value to a payload. Throws `WebSocketEncodeError` if the value does not fit the type. */
export type Encode = (value: any) => Payload

/** Serializes a value to JSON. */
export type JsonSerialize = (value: unknown) => string

function misfit (type: string, value: unknown, options?: { cause: unknown }): WebSocketEncodeError {
  return new WebSocketEncodeError(`cannot send ${describe(value)} as ${type}`, options)
}

export function isBytes (value: unknown): value is ArrayBufferView | ArrayBufferLike {
  return ArrayBuffer.isView(value) || isAnyArrayBuffer(value)
}

/** The bytes of a view or a buffer. Throws `WebSocketEncodeError` if the memory has been transferred to another owner. */
export function bytesOf (value: ArrayBufferView | ArrayBufferLike): Uint8Array {
  if (value instanceof Uint8Array && value.length > 0) return value // a view of transferred memory has the length 0
  try {
    return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value)
  } catch (cause) {
    throw misfit('bytes: their memory has been transferred', value, { cause })
  }
}

/** The type as which `any` sends `value`, and as which `expect` receives it. */
export function typeOf (value: unknown): 'text' | 'number' | 'boolean' | 'bytes' | 'json' {
  switch (typeof value) {
    case 'string': return 'text'
    case 'number': case 'boolean': return typeof value as 'number' | 'boolean'
    default: return isBytes(value) ? 'bytes' : 'json'
  }
}

/** Returns the encoder of the values that pass `fits`: by default as the text that they are. */
function typed (type: string, fits: (value: any) => boolean, encode: Encode = String): Encode {
  return (value) => {
    if (!fits(value)) throw misfit(type, value)
    return encode(value)
  }
}

/** `value` in decimal without an exponent. `String` writes an exponent from 1e21 up and from 1e-7 down. */
function decimal (value: number): string {
  const text = String(value)
  if (!text.includes('e')) return text
  const [digits, exponent] = text.split('e')
  return Number(exponent) > 0 ? String(BigInt(value)) : digits.replace(/(\d)\.?/, `0.${'0'.repeat(-Number(exponent) - 1)}$1`)
}

/** An encoder for each type. */
export type Encoders = Record<EncodedType, Encode>

export function createEncoders (serialize: JsonSerialize): Encoders {
  const json = (value: unknown): string => {
    let json
    try {
      json = serialize(value)
    } catch (cause) {
      throw misfit(`JSON: ${messageOf(cause)}`, value, { cause })
    }
    if (typeof json !== 'string') throw misfit('JSON', value)
    return json
  }
  const number = typed('a number', Number.isFinite, decimal)
  return {
    text: typed('text', (value) => typeof value === 'string'),
    bytes: typed('bytes', isBytes, bytesOf),
    json,
    jsonText: json,
    jsonBytes: (value) => encodeUtf8(json(value)),
    integer: typed('an integer', Number.isSafeInteger),
    number,
    boolean: typed('a boolean', (value) => typeof value === 'boolean'),
    any (value) {
      switch (typeof value) {
        case 'string': return value
        case 'number': return number(value)
        case 'boolean': return String(value)
        default: return isBytes(value) ? bytesOf(value) : json(value)
      }
    }
  }
}
