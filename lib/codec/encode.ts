import { isAnyArrayBuffer } from 'node:util/types'
import { WebSocketEncodeError } from '../base/errors'
import { messageOf } from '../base/show'
import type { ValueType } from '../../types/message'

/**
 * What a frame carries: a string travels as text, bytes as a binary frame. The bytes are still the caller's, who may
 * change them as soon as `send` has resolved: who keeps them for longer makes a copy.
 */
export type Payload = string | Uint8Array

/** Turns a value into a payload; throws `WebSocketEncodeError` where it does not fit. */
export type Encode = (value: any) => Payload

/** Makes JSON of a value. */
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

/** The bytes of a view or a buffer. Throws `WebSocketEncodeError` where its memory is no longer there: it was transferred. */
export function bytesOf (value: ArrayBufferView | ArrayBufferLike): Uint8Array {
  if (value instanceof Uint8Array && value.length > 0) return value // what has been transferred has no length
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

/** `value` without an exponent, which `String` uses from 1e21 up and from 1e-7 down. */
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

/** An encoder for each type; `jsonBytes` sends JSON in a binary frame. */
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
