import { BINARY, CLOSE, closePayload, CONTINUATION, PING, PONG, TEXT } from '../helpers/frames'
import type { WebSocketPluginOptions } from '../../types/options'

/*
 * The types of the tables in cases/: what a client sends, and what an echo route has to send back.
 *
 * A case that the Autobahn test suite has, has Autobahn's number. A case with a `+` in its number is not in Autobahn.
 */

/** One frame, of which every field can be set wrong (RFC 6455, section 5.2). */
export interface Frame {
  opcode: number
  payload: Buffer
  /** Default: true. */
  fin?: boolean
  /** RSV1 to RSV3 as one number: 4 is RSV1, 1 is RSV3. */
  rsv?: number
  /** `null` leaves the frame unmasked. */
  mask?: readonly number[] | null
  /** The length in the header, instead of the payload's length. */
  length?: bigint
  /** Where the header has the length: in its 7 bits, or in 2 or 8 further bytes. Default: the shortest form. */
  lengthBytes?: 0 | 2 | 8
}

/** A whole message: compressed as negotiated, then split into fragments. */
export interface Message {
  opcode: number
  payload: Buffer
  compressed: true
  /** The length of a fragment. Default: one fragment. */
  fragment?: number
}

/** What the client does next. */
export type Step =
  | Frame
  | Message
  /** Bytes to write unchanged. */
  | Buffer
  /** Waits until the client has received this number of messages and pongs. */
  | { received: number }
  /** Waits for the server to fail the connection. If the server does not, STILL_OPEN counts as received. */
  | typeof STILL_OPEN

export const STILL_OPEN = 'still open'

/** A message, a pong, or that the connection was still open. */
export type Received = Pick<Frame, 'opcode' | 'payload'> | typeof STILL_OPEN

export interface Outcome {
  receive: readonly Received[]
  /** The allowed codes of the server's close frame. Without `close`, the client closes with 1000 when it has received everything, and the server answers 1000. */
  close?: readonly number[]
  /** The extensions in the response to the handshake. Default: `''`, none. */
  extensions?: string
  /** The status with which the server refuses the handshake. Default: the server accepts the handshake. */
  refusal?: number
}

/**
 * How the bytes are split: as few parts as possible; frame by frame; or this number of octets at a time. Each part is
 * one packet, or one DATA frame.
 */
export type Chop = 'whole' | 'frames' | number

export interface Case extends Outcome {
  id: string
  title: string
  send: readonly Step[]
  /** How the bytes are split. Default: in all ways, one after another. */
  chop?: Chop
  /** The client's `Sec-WebSocket-Extensions`. */
  offer?: string
  /** The options of the plugin. */
  server?: WebSocketPluginOptions
  /** Further outcomes that conform, less strictly, and the rule that allows them. */
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

/** A close frame. Without a code, the frame is empty. */
export function close (code?: number, reason: Payload = '', bits?: Bits): Frame {
  if (code === undefined) return frame(CLOSE, '', bits)
  return frame(CLOSE, closePayload(code, reason), bits)
}

/** A message in fragments of `size` octets. */
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
