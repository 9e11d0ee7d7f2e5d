import t from 'tap'
import { once } from 'node:events'
import { frameOf, headerOf, MAX_HEADER, payloadLength, textFrameOf, writeFrame } from '../../lib/protocol/frame'
import { connectWebSockets } from '../helpers/websocket-pair'
import { Peer } from '../helpers/peer'

// RFC 6455, section 5.2: the lengths around which a header becomes longer.
const HEADERS: [length: number, header: number[]][] = [
  [0, [0]], [1, [1]], [125, [125]],
  [126, [126, 0, 126]], [127, [126, 0, 127]], [256, [126, 1, 0]], [65535, [126, 255, 255]],
  [65536, [127, 0, 0, 0, 0, 0, 1, 0, 0]], [16909060, [127, 0, 0, 0, 0, 1, 2, 3, 4]]
]

for (const [length, header] of HEADERS) {
  t.test(`a message of ${length} bytes has the header of its length`, async (t) => {
    const frame = frameOf(Buffer.alloc(length, 1), length)
    t.same([...frame.subarray(0, header.length + 1)], [0x82, ...header])
    t.equal(frame.length, 1 + header.length + length)
    t.ok(frame.subarray(header.length + 1).equals(Buffer.alloc(length, 1)))
    t.ok(header.length + 1 <= MAX_HEADER)
  })
}

for (const [length, header] of HEADERS) {
  t.test(`the header alone of a message of ${length} bytes is the beginning of its frame`, async (t) => {
    const payloads = { text: 'a'.repeat(length), bytes: new Uint8Array(length) }
    for (const [type, payload] of Object.entries(payloads)) {
      const alone = headerOf(payload, length)
      t.equal(alone.length, 1 + header.length, type)
      t.ok(alone.equals(frameOf(payload, length).subarray(0, alone.length)), type)
    }
  })
}

t.test('the opcode tells text from bytes', async (t) => {
  t.same([...frameOf('hi', 2)], [0x81, 2, 0x68, 0x69])
  t.same([...frameOf(new Uint8Array([0x68, 0x69]), 2)], [0x82, 2, 0x68, 0x69])
})

t.test('any text is sent as UTF-8', async (t) => {
  for (const text of ['', 'ASCII', 'ünïcödé', '€', '😀', '\u0000', '\u00ff', '\ud800 alone', 'a'.repeat(70_000), 'é'.repeat(70_000), `${'a'.repeat(40_000)}€`]) {
    const length = payloadLength(text)
    t.equal(length, Buffer.from(text).length)
    t.ok(frameOf(text, length).subarray(-length || Infinity).equals(Buffer.from(text)), `${length} bytes`)
  }
})

t.test('a text and its UTF-8 have the same frame', async (t) => {
  for (const text of ['', 'ASCII', '€😀', 'a'.repeat(125), 'é'.repeat(70_000)]) {
    t.ok(textFrameOf(new Uint8Array(Buffer.from(text))).equals(frameOf(text, payloadLength(text))), `${text.length} characters`)
  }
})

t.test('the length of bytes is that of the view, not of the viewed buffer', async (t) => {
  const view = new Uint8Array(new ArrayBuffer(10), 2, 3)
  t.equal(payloadLength(view), 3)
})

t.test('frames are written one after the other', async (t) => {
  const target = Buffer.alloc(20)
  const first = writeFrame(target, 3, 'ab', 2)
  const second = writeFrame(target, first, new Uint8Array([1]), 1)
  t.same([first, second], [7, 10])
  t.same([...target.subarray(0, 12)], [0, 0, 0, 0x81, 2, 0x61, 0x62, 0x82, 1, 1, 0, 0])
})

t.test('ws reads the frames', async (t) => {
  const { stream, client } = await connectWebSockets(t)
  const peer = new Peer(client)
  const payloads = ['', 'text', 'ünïcödé', 'a'.repeat(126), 'b'.repeat(65535), '€'.repeat(30_000), Buffer.alloc(0), Buffer.from('bytes'), Buffer.alloc(100_000, 7)]
  for (const payload of payloads) stream.write(frameOf(payload, payloadLength(payload)))
  for (const payload of payloads) t.same(await peer.next(), payload)
  client.close()
  await once(client, 'close')
})
