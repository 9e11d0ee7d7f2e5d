import { isAnyArrayBuffer } from 'node:util/types'
import { WebSocketEncodeError } from '../base/errors'
import { messageOf } from '../base/show'
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

function describe (value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return typeof value
  try {
    return `an object (${value.constructor?.name ?? 'null prototype'})`
  } catch {
    return 'an object that cannot be read'
  }
}

function misfit (type: string, value: unknown): WebSocketEncodeError {
  return new WebSocketEncodeError(`cannot send ${describe(value)} as ${type}`)
}

export function isBytes (value: unknown): value is ArrayBufferView | ArrayBufferLike {
  return ArrayBuffer.isView(value) || isAnyArrayBuffer(value)
}

function encodeText (value: unknown): string {
  if (typeof value !== 'string') throw misfit('text', value)
  return value
}

function encodeBytes (value: unknown): Uint8Array {
  if (!isBytes(value)) throw misfit('bytes', value)
  return bytesOf(value)
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

function encodeBoolean (value: unknown): string {
  if (typeof value !== 'boolean') throw misfit('a boolean', value)
  return value ? 'true' : 'false'
}

function encodeInteger (value: unknown): string {
  if (!Number.isSafeInteger(value)) throw misfit('an integer', value)
  return String(value)
}

function encodeNumber (value: unknown): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw misfit('a number', value)
  return decimal(value)
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

function createAnyEncoder (encodeJson: Encode): Encode {
  return function encodeAny (value) {
    switch (typeof value) {
      case 'string': return value
      case 'boolean': return encodeBoolean(value)
      case 'number': return encodeNumber(value)
      default: return isBytes(value) ? bytesOf(value) : encodeJson(value)
    }
  }
}

/** An encoder for each type. `jsonBytes` encodes JSON for a binary frame. */
export type Encoders = Record<ValueType | 'jsonText' | 'jsonBytes', Encode>

export function createEncoders (serialize: JsonSerialize): Encoders {
  const encodeJson = createJsonEncoder(serialize)
  return {
    text: encodeText,
    bytes: encodeBytes,
    json: encodeJson,
    jsonText: encodeJson,
    jsonBytes: (value) => Buffer.from(encodeJson(value) as string),
    integer: encodeInteger,
    number: encodeNumber,
    boolean: encodeBoolean,
    any: createAnyEncoder(encodeJson)
  }
}
