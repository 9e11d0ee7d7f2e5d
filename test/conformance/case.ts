import { BINARY, CLOSE, closePayload, CONTINUATION, PING, PONG, TEXT } from '../helpers/frames'
import type { WebSocketPluginOptions } from '../../types/options'

/*
 * The language of the tables in cases/: what a client sends, and what has to come back from a route that echoes.
 *
 * Cases have the numbers of the Autobahn test suite where they are in it. Those with a `+` are not: they are what it
 * leaves out.
 */

/** One frame, with nothing that could not be set wrong (RFC 6455, section 5.2). */
export interface Frame {
  opcode: number
  payload: Buffer
  /** True unless given. */
  fin?: boolean
  /** RSV1 to RSV3 as one number: 4 is RSV1, 1 is RSV3. */
  rsv?: number
  /** `null` leaves the frame unmasked. */
  mask?: readonly number[] | null
  /** What the header says instead of the payload's length. */
  length?: bigint
  /** How the header says it: in its 7 bits, or in 2 or 8 bytes more. The shortest form, unless given. */
  lengthBytes?: 0 | 2 | 8
}

/** A whole message: compressed as was negotiated, then cut into fragments. */
export interface Message {
  opcode: number
  payload: Buffer
  compressed: true
  /** The length of the fragments; one, unless given. */
  fragment?: number
}

/** What the client does next. */
export type Step =
  | Frame
  | Message
  /** Bytes as they are. */
  | Buffer
  /** Waits until so many messages and pongs have been received. */
  | { received: number }
  /** Waits whether the server fails the connection; if not, that is noted as received. */
  | typeof STILL_OPEN

export const STILL_OPEN = 'still open'

/** A message or a pong, or that the connection was still open. */
export type Received = Pick<Frame, 'opcode' | 'payload'> | typeof STILL_OPEN

export interface Outcome {
  receive: readonly Received[]
  /** The codes of which the server's close frame has one. Without: the client closes when it has received everything, with 1000, and so does the server. */
  close?: readonly number[]
  /** What the answer to the handshake says of extensions: `''` for nothing. */
  extensions?: string
  /** The status of the answer to the handshake, if it is not 101. */
  status?: number
}

/**
 * How bytes are split: all that can be sent at once is; frame by frame; or so many octets at a time. Each part is in a
 * packet of its own.
 */
export type Chop = 'whole' | 'frames' | number

export interface Case extends Outcome {
  id: string
  title: string
  send: readonly Step[]
  /** How the bytes are split; unless given, in all ways. */
  chop?: Chop
  /** What the client offers in `Sec-WebSocket-Extensions`. */
  offer?: string
  /** The options of the plugin. */
  server?: WebSocketPluginOptions
  /** Outcomes that conform too, though not as strictly, and what allows them. */
  nonStrict?: { why: string, outcomes: readonly Outcome[] }
}

export interface Group {
  id: string
  title: string
  cases: readonly Case[]
}

export { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT }

type Payload = string | Buffer
type Bits = Omit<Frame, 'opcode' | 'payload'>

export function frame (opcode: number, payload: Payload = '', bits: Bits = {}): Frame {
  return { opcode, payload: Buffer.from(payload), ...bits }
}

export const text = (payload: Payload = '', bits?: Bits): Frame => frame(TEXT, payload, bits)
export const binary = (payload: Payload = '', bits?: Bits): Frame => frame(BINARY, payload, bits)
export const continuation = (payload: Payload = '', bits?: Bits): Frame => frame(CONTINUATION, payload, bits)
export const ping = (payload?: Payload, bits?: Bits): Frame => frame(PING, payload, bits)
export const pong = (payload?: Payload, bits?: Bits): Frame => frame(PONG, payload, bits)

/** A close frame; without a code, an empty one. */
export function close (code?: number, reason: Payload = '', bits?: Bits): Frame {
  if (code === undefined) return frame(CLOSE, '', bits)
  return frame(CLOSE, closePayload(code, reason), bits)
}

/** A message as fragments of `size` octets. */
export function fragments (opcode: number, payload: Payload, size: number): Frame[] {
  const data = Buffer.from(payload)
  const count = Math.max(1, Math.ceil(data.length / size))
  return Array.from({ length: count }, (_, n) =>
    frame(n === 0 ? opcode : CONTINUATION, data.subarray(n * size, (n + 1) * size), { fin: n === count - 1 }))
}

/** `length` octets. */
export function octets (length: number, value: number | string = 0xfe): Buffer {
  return Buffer.alloc(length, value)
}
