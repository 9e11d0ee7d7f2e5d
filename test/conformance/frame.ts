import { isUtf8 } from 'node:buffer'
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, type Frame } from './case'

/* Encodes frames of a client, of which every field can be wrong. Decodes frames of a server, which must be right. */

/** The mask of the example in RFC 6455, section 5.7. */
const MASK = [0x37, 0xfa, 0x21, 0x3d]

/** The bytes of a client's frame. */
export function encode ({ opcode, payload, fin = true, rsv = 0, mask = MASK, length = BigInt(payload.length), lengthBytes = shortest(length) }: Frame): Buffer {
  const header = Buffer.alloc(2 + lengthBytes)
  header[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  header[1] = (mask === null ? 0 : 0x80) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) header.writeUInt16BE(Number(length), 2)
  if (lengthBytes === 8) header.writeBigUInt64BE(length, 2)
  if (mask === null) return Buffer.concat([header, payload])
  const masked = Buffer.allocUnsafe(payload.length)
  for (let n = 0; n < payload.length; n++) masked[n] = payload[n] ^ mask[n & 3]
  return Buffer.concat([header, Buffer.from(mask), masked])
}

function shortest (length: bigint): 0 | 2 | 8 {
  if (length < 126n) return 0
  return length < 65536n ? 2 : 8
}

/** A received frame. */
export interface ServerFrame {
  opcode: number
  fin: boolean
  rsv: number
  payload: Buffer
}

export class ProtocolViolation extends Error {}

/** Decodes a server's bytes to frames. Throws `ProtocolViolation` for bytes that a server may not send. */
export class FrameReader {
  /** Whether RSV1 may be set: with permessage-deflate. */
  compresses = false
  #bytes = Buffer.alloc(0)
  #chunks: Buffer[] = []
  #length = 0
  #needed = 2
  #isFragmented = false
  #isClosed = false

  read (chunk: Buffer): ServerFrame[] {
    const frames = []
    this.#chunks.push(chunk)
    this.#length += chunk.length
    while (this.#length >= this.#needed) {
      this.#bytes = Buffer.concat(this.#chunks)
      const frame = this.#next()
      this.#chunks = [this.#bytes]
      if (frame !== null) frames.push(frame)
    }
    return frames
  }

  #next (): ServerFrame | null {
    const bytes = this.#bytes
    const short = bytes[1] & 0x7f
    const offset = short === 126 ? 4 : short === 127 ? 10 : 2
    if (bytes.length < offset) return this.#need(offset)
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
    if (bytes.length < offset + length) return this.#need(offset + length)

    const frame = { fin: bytes[0] >= 0x80, rsv: (bytes[0] >> 4) & 7, opcode: bytes[0] & 15, payload: bytes.subarray(offset, offset + length) }
    this.#check(frame, bytes[1] >= 0x80, offset - 2)
    this.#bytes = bytes.subarray(offset + length)
    this.#length = this.#bytes.length
    this.#needed = 2
    return frame
  }

  #need (bytes: number): null {
    this.#needed = bytes
    return null
  }

  #check ({ fin, rsv, opcode, payload }: ServerFrame, isMasked: boolean, lengthBytes: number): void {
    const isControl = opcode >= 8
    const isFirst = opcode === TEXT || opcode === BINARY
    refuse(this.#isClosed, 'something after a close frame')
    refuse(isMasked, 'a masked frame')
    refuse(![CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG].includes(opcode), `opcode ${opcode}`)
    refuse(rsv !== 0 && !(rsv === 4 && isFirst && this.compresses), `reserved bits ${rsv}`)
    refuse(lengthBytes !== shortest(BigInt(payload.length)), `a length of ${payload.length} in ${lengthBytes} bytes`)
    if (isControl) {
      refuse(!fin, 'a control frame in fragments')
      refuse(payload.length > 125, `a control frame with ${payload.length} octets`)
      this.#isClosed = opcode === CLOSE
    } else {
      refuse(isFirst === this.#isFragmented, isFirst ? 'a message within a message' : 'a continuation of nothing')
      this.#isFragmented = !fin
    }
  }
}

/** The code of a close frame, or 1005 if the frame has no code. */
export function closeCode (payload: Buffer): number {
  if (payload.length === 0) return 1005
  refuse(payload.length === 1, 'a close frame with half a code')
  refuse(!isUtf8(payload.subarray(2)), 'a reason that is not UTF-8')
  const code = payload.readUInt16BE(0)
  refuse(code < 1000 || [1004, 1005, 1006, 1015].includes(code) || (code > 1015 && code < 3000) || code > 4999, `close code ${code}`)
  return code
}

export function refuse (isWrong: boolean, what: string): void {
  if (isWrong) throw new ProtocolViolation(`the server sent ${what}`)
}
