'use strict'

// The frames of RFC 6455, section 5.2. All frames are whole, and are made before a measurement.

const TEXT = 0x81
const BINARY = 0x82
const CLOSE = 0x88
const PONG = 0x8a
const RSV1 = 0x40

/** The masking key of the example in section 5.7. With a key of zeros, some servers would skip the unmasking. */
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

function serverFrame (payload, first = TEXT) {
  return Buffer.concat([header(first, payload.length, 0), payload])
}

function clientFrame (payload, first = TEXT) {
  const masked = Buffer.from(payload.map((byte, i) => byte ^ MASK[i & 3]))
  return Buffer.concat([header(first, payload.length, 0x80), MASK, masked])
}

function header (first, length, maskBit) {
  if (length < 126) return Buffer.from([first, maskBit | length])
  const extended = Buffer.alloc(length < 65536 ? 4 : 10)
  extended[0] = first
  if (length < 65536) {
    extended[1] = maskBit | 126
    extended.writeUInt16BE(length, 2)
  } else {
    extended[1] = maskBit | 127
    extended.writeBigUInt64BE(BigInt(length), 2)
  }
  return extended
}

/** Returns the first frame of a server in `bytes`, or null if the frame is not complete yet. */
function parseServerFrame (bytes) {
  if (bytes.length < 2) return null
  const short = bytes[1] & 0x7f
  const start = short < 126 ? 2 : short === 126 ? 4 : 10
  if (bytes.length < start) return null
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (bytes.length < start + length) return null
  return { first: bytes[0], payload: bytes.subarray(start, start + length), size: start + length }
}

module.exports = { TEXT, BINARY, CLOSE, PONG, RSV1, MASK, serverFrame, clientFrame, parseServerFrame }
