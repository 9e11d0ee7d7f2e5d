import { Buffer, isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { payloadLength } from '../protocol/frame'
import type { Payload } from '../codec/encode'
import type { Draft, Kind } from './entry'

/*
 * The envelope in which a message travels through a broker:
 *
 *     byte 0   byte 1   bytes 2–9              from byte 10
 *     0xf5     kind     origin, of the app     the text in UTF-8, or the bytes
 *
 * The envelope of a message of a topic with history has two numbers more. The origin and `count` together are the mark of the message:
 *
 *     byte 0   byte 1   bytes 2–9              bytes 10–13   bytes 14–17   from byte 18
 *     0xf5     kind     origin, of the app     count         sender        the text or JSON in UTF-8, or the bytes
 *
 * No text in UTF-8 begins with 0xf5 (RFC 3629, section 1). So an envelope differs from any text that other programs publish on the
 * same channel.
 */

const MAGIC = 0xf5

/** The kinds of an envelope. A future layout takes other numbers. */
const TEXT = 1
const BINARY = 2

/** The kinds of an envelope of a topic with history. */
const KEPT: Record<Kind, number> = { text: 3, bytes: 4, json: 5, start: 6 }
const KINDS = new Map(Object.entries(KEPT).map(([kind, byte]) => [byte, kind as Kind]))

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

const COUNT = PAYLOAD
const SENDER = COUNT + 4
const KEPT_PAYLOAD = SENDER + 4

/** The content of an envelope of a topic with history. */
export interface KeptLetter extends Draft {
  readonly mark: string
}

/** Puts a message of a topic with history into an envelope. `count` is the number of the message among those of the app. */
export function sealKept ({ kind, payload, sender }: Draft, origin: Buffer, count: number): Buffer {
  const envelope = Buffer.allocUnsafe(KEPT_PAYLOAD + payloadLength(payload))
  envelope[0] = MAGIC
  envelope[1] = KEPT[kind]
  envelope.set(origin, ORIGIN)
  envelope.writeUInt32BE(count >>> 0, COUNT)
  envelope.writeUInt32BE(sender, SENDER)
  if (typeof payload === 'string') envelope.write(payload, KEPT_PAYLOAD)
  else envelope.set(payload, KEPT_PAYLOAD)
  return envelope
}

/** The mark of a message in `envelope`. */
export function markOf (envelope: Buffer): string {
  return envelope.toString('base64url', ORIGIN, SENDER)
}

/**
 * The content of `bytes`, an envelope of a topic with history, in memory of its own; null if the bytes are no such envelope, or are
 * damaged. `sender` is 0 unless the message comes from the app with `origin`.
 */
export function unsealKept (bytes: Uint8Array, origin: Buffer): KeptLetter | null {
  const kind = bytes[0] === MAGIC ? KINDS.get(bytes[1]) : undefined
  if (kind === undefined || bytes.byteLength < KEPT_PAYLOAD) return null
  const envelope = Buffer.from(bytes)
  const payload = envelope.subarray(KEPT_PAYLOAD)
  if (kind !== 'bytes' && !isUtf8(payload)) return null
  return { kind, payload, mark: markOf(envelope), sender: isFrom(envelope, origin) ? envelope.readUInt32BE(SENDER) : 0 }
}
