import { Buffer, isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { payloadLength } from '../protocol/frame'
import type { Payload } from '../codec/encode'

/**
 * What is published, as it travels through a broker:
 *
 *     byte 0   byte 1   bytes 2–9              from byte 10
 *     0xf5     kind     origin, of the app     the text in UTF-8, or the bytes
 *
 * No text in UTF-8 begins with 0xf5 (RFC 3629, section 1), so that what others publish as text on the same channel is told apart.
 */

const MAGIC = 0xf5

/** The kinds; another layout takes other numbers. */
const TEXT = 1
const BINARY = 2

const ORIGIN = 2
const ORIGIN_LENGTH = 8
const PAYLOAD = ORIGIN + ORIGIN_LENGTH

/** What was in an envelope. */
export interface Letter {
  readonly payload: Uint8Array
  /** Whether the payload is the UTF-8 of a text. */
  readonly isText: boolean
}

/** A number that no two apps have. */
export function createOrigin (): Buffer {
  return randomBytes(ORIGIN_LENGTH)
}

/** Puts `payload` into an envelope. */
export function seal (payload: Payload, origin: Buffer): Buffer {
  const isText = typeof payload === 'string'
  const envelope = Buffer.allocUnsafe(PAYLOAD + payloadLength(payload))
  envelope[0] = MAGIC
  envelope[1] = isText ? TEXT : BINARY
  envelope.set(origin, ORIGIN)
  if (isText) envelope.write(payload, PAYLOAD)
  else envelope.set(payload, PAYLOAD)
  return envelope
}

/** Whether `envelope` is one of `origin`. */
export function isFrom (envelope: Uint8Array, origin: Buffer): boolean {
  return origin.equals(envelope.subarray(ORIGIN, PAYLOAD))
}

/** What is in `envelope`; null where it is none, or was damaged. */
export function unseal (envelope: Uint8Array): Letter | null {
  if (envelope.byteLength < PAYLOAD || envelope[0] !== MAGIC) return null
  const payload = envelope.subarray(PAYLOAD)
  if (envelope[1] === BINARY) return { payload, isText: false }
  return envelope[1] === TEXT && isUtf8(payload) ? { payload, isText: true } : null
}
