import { Buffer, isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { payloadLength } from '../protocol/frame'
import type { Payload } from '../codec/encode'

/*
 * The envelope in which a message travels through a broker:
 *
 *     byte 0   byte 1   bytes 2–9              from byte 10
 *     0xf5     kind     origin, of the app     the text in UTF-8, or the bytes
 *
 * No text in UTF-8 begins with 0xf5 (RFC 3629, section 1). So an envelope differs from any text that other programs publish on the
 * same channel.
 */

const MAGIC = 0xf5

/** The kinds of an envelope. A future layout takes other numbers. */
const TEXT = 1
const BINARY = 2

const ORIGIN = 2
const ORIGIN_LENGTH = 8
const PAYLOAD = ORIGIN + ORIGIN_LENGTH

/** The content of an envelope. */
export interface Letter {
  readonly payload: Uint8Array
  /** Whether the payload is the UTF-8 of a text. */
  readonly isText: boolean
}

/** Creates the origin of an app: random bytes that no other app has. */
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

/** Whether `envelope` comes from the app with `origin`. */
export function isFrom (envelope: Uint8Array, origin: Buffer): boolean {
  return origin.equals(envelope.subarray(ORIGIN, PAYLOAD))
}

/** The content of `envelope`; null if the bytes are no envelope, or are damaged. */
export function unseal (envelope: Uint8Array): Letter | null {
  if (envelope.byteLength < PAYLOAD || envelope[0] !== MAGIC) return null
  const payload = envelope.subarray(PAYLOAD)
  if (envelope[1] === BINARY) return { payload, isText: false }
  return envelope[1] === TEXT && isUtf8(payload) ? { payload, isText: true } : null
}
