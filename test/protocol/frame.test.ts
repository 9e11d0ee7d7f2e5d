import t from 'tap'
import { BINARY, CLOSE, firstByteOf, frameOf, headerOf, MAX_HEADER, payloadLength, PING, RSV1, TEXT, writeFrame } from '../../lib/protocol/frame'
import { receiveWithWs } from '../helpers/reception'
import type { Payload } from '../../lib/codec/encode'

// RFC 6455, section 5.2: the lengths around which a header becomes longer.
const HEADERS: [length: number, header: number[]][] = [
  [0, [0]], [1, [1]], [125, [125]],
  [126, [126, 0, 126]], [127, [126, 0, 127]], [256, [126, 1, 0]], [65535, [126, 255, 255]],
  [65536, [127, 0, 0, 0, 0, 0, 1, 0, 0]], [16909060, [127, 0, 0, 0, 0, 1, 2, 3, 4]]
]

/** The frame of a message. */
function messageFrame (payload: Payload, isMasked = false): Buffer {
  return frameOf(firstByteOf(payload), payload, payloadLength(payload), isMasked)
}

/** The payload of a masked frame (RFC 6455, section 5.3). Its mask begins at `at`. */
function unmasked (frame: Buffer, at: number): Buffer {
  const mask = frame.subarray(at, at + 4)
  return frame.subarray(at + 4).map((byte, i) => byte ^ mask[i & 3]) as Buffer
}

for (const [length, header] of HEADERS) {
  t.test(`a message of ${length} bytes has the header of its length`, async (t) => {
    const payload = Buffer.alloc(length, 1)
    const frame = messageFrame(payload)
    t.same([...frame.subarray(0, header.length + 1)], [0x82, ...header])
    t.equal(frame.length, 1 + header.length + length)
    t.ok(frame.subarray(header.length + 1).equals(payload))
    t.ok(headerOf(BINARY, length).equals(frame.subarray(0, header.length + 1)), 'the header alone is the same')
  })

  t.test(`a masked message of ${length} bytes has the mask behind its length`, async (t) => {
    const payload = Buffer.alloc(length, 1)
    const frame = messageFrame(payload, true)
    t.same([...frame.subarray(0, header.length + 1)], [0x82, 0x80 | header[0], ...header.slice(1)])
    t.equal(frame.length, 5 + header.length + length)
    t.ok(unmasked(frame, header.length + 1).equals(payload))
    t.ok(header.length + 5 <= MAX_HEADER)
    t.same(payload, Buffer.alloc(length, 1), 'the payload is unchanged')
  })
}

t.test('a length of more than 32 bits is in the header', async (t) => {
  t.same([...headerOf(TEXT, 2 ** 33 + 5)], [0x81, 127, 0, 0, 0, 2, 0, 0, 0, 5])
})

t.test('the first byte tells text from bytes, and what else a frame is', async (t) => {
  t.same([...messageFrame('hi')], [0x81, 2, 0x68, 0x69])
  t.same([...messageFrame(new Uint8Array([0x68, 0x69]))], [0x82, 2, 0x68, 0x69])
  t.same([...frameOf(PING, 'hi', 2, false)], [0x89, 2, 0x68, 0x69])
  t.same([...frameOf(CLOSE, new Uint8Array(0), 0, false)], [0x88, 0])
  t.same([...frameOf(TEXT | RSV1, new Uint8Array([1]), 1, false)], [0xc1, 1, 1])
})

t.test('any text is sent as UTF-8', async (t) => {
  for (const text of ['', 'ASCII', 'ünïcödé', '€', '😀', '\u0000', '\u00ff', '\ud800 alone', 'a'.repeat(70_000), 'é'.repeat(70_000), `${'a'.repeat(40_000)}€`]) {
    const length = payloadLength(text)
    t.equal(length, Buffer.from(text).length)
    t.ok(messageFrame(text).subarray(-length || Infinity).equals(Buffer.from(text)), `${length} bytes`)
    const header = headerOf(TEXT, length).length
    t.ok(unmasked(messageFrame(text, true), header).equals(Buffer.from(text)), `${length} bytes, masked`)
  }
})

t.test('the length of bytes is that of the view, not of the viewed buffer', async (t) => {
  const view = new Uint8Array(new ArrayBuffer(10), 2, 3)
  t.equal(payloadLength(view), 3)
})

t.test('frames are written one after the other', async (t) => {
  const target = Buffer.alloc(30)
  const first = writeFrame(target, 3, TEXT, 'ab', 2, false)
  const second = writeFrame(target, first, BINARY, new Uint8Array([1]), 1, false)
  const third = writeFrame(target, second, TEXT, 'cd', 2, true)
  t.same([first, second, third], [7, 10, 18])
  t.same([...target.subarray(0, 12)], [0, 0, 0, 0x81, 2, 0x61, 0x62, 0x82, 1, 1, 0x81, 0x82])
  t.equal(unmasked(target.subarray(10, 18), 2).toString(), 'cd')
  t.same([...target.subarray(18)], Array(12).fill(0), 'and nothing behind them')
})

t.test('each masked frame has a mask of its own (RFC 6455, section 5.3)', async (t) => {
  const masks = new Set(Array.from({ length: 5000 }, () => messageFrame('', true).readUInt32BE(2)))
  t.ok(masks.size > 4990, `${masks.size} masks`)
})

for (const isMasked of [false, true]) {
  t.test(`ws reads the frames ${isMasked ? 'of a client' : 'of a server'}`, async (t) => {
    const payloads = ['', 'text', 'ünïcödé', 'a'.repeat(126), 'b'.repeat(65535), '€'.repeat(30_000), Buffer.alloc(0), Buffer.from('bytes'), Buffer.alloc(100_000, 7)]
    const frames = payloads.map((payload) => messageFrame(payload, isMasked))
    const events = await receiveWithWs(frames, { isServer: isMasked, maxPayload: 1_000_000, agreement: null })
    t.strictSame(events, payloads.map((payload) => {
      const bytes = Buffer.from(payload)
      return `${typeof payload === 'string' ? 'text' : 'bytes'} of ${bytes.length}: ${bytes.toString('latin1')}`
    }))
  })
}
