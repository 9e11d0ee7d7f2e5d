/* Frames as bytes, also such frames as no library sends. */

import type { Payload } from '../../lib/codec/encode'

export const CONTINUATION = 0
export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** A frame of a client. Its mask is zero, so that the payload is readable in the frame. */
export function clientFrame (opcode: number, payload: string | Buffer, fin = true): Buffer {
  const data = Buffer.from(payload)
  const length = data.length < 126 ? [0x80 | data.length] : [0x80 | 126, data.length >> 8, data.length & 255]
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode, ...length, 0, 0, 0, 0]), data])
}

/** A final frame of a server, with less than 126 bytes. */
export function serverFrame (opcode: number, payload: string | Buffer): Buffer {
  const data = Buffer.from(payload)
  return Buffer.concat([Buffer.from([0x80 | opcode, data.length]), data])
}

/** The payload of a close frame. */
export function closePayload (code: number, reason: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])
}

/** The messages in the frames of a server, which are whole messages and not compressed. */
export function messagesIn (frames: Buffer): Payload[] {
  const messages: Payload[] = []
  for (let offset = 0; offset < frames.length;) {
    const first = frames[offset]
    let length: number = frames[offset + 1]
    offset += 2
    if (length >= 126) {
      const bytes = length === 126 ? 2 : 6
      offset += length === 126 ? 0 : 2
      length = frames.readUIntBE(offset, bytes)
      offset += bytes
    }
    const payload = frames.subarray(offset, offset += length)
    messages.push((first & 0x0f) === TEXT ? payload.toString() : payload)
  }
  return messages
}
