import t from 'tap'
import { createUnmask, unmask, writeMask } from '../../lib/protocol/mask'
import { random } from '../helpers/fuzz'

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** RFC 6455, section 5.3: octet i is octet i of the payload XOR octet i modulo 4 of the mask. */
function masked (payload: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ MASK[i % 4]))
}

/** A read in which the masked payload begins at `start`, in memory that begins at `byteOffset`. */
function readOf (payload: Buffer, start: number, byteOffset: number): Buffer {
  const read = Buffer.from(new ArrayBuffer(byteOffset + start + payload.length + 9), byteOffset)
  MASK.copy(read, start - 4)
  masked(payload).copy(read, start)
  return read
}

const LENGTHS = [...Array(300).keys(), 1024, 1535, 1536, 4093, 65535]

/** Like the function of bufferutil, which also gets views of the read. */
function native (payload: Buffer, mask: Buffer): void {
  for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i % 4]
}

const ways = { 'as it is here': unmask, 'without a native function': createUnmask(), 'with a native function': createUnmask(native) }

for (const [way, unmask] of Object.entries(ways)) {
  t.test(`${way}: unmasks a payload of any length, anywhere in memory, and no byte beside it`, async (t) => {
    const next = random(1)
    let wrong = 0
    for (const length of LENGTHS) {
      const payload = Buffer.from(Array.from({ length }, () => Math.floor(next() * 256)))
      for (const start of [6, 7, 8, 13]) {
        for (let byteOffset = 0; byteOffset < 4; byteOffset++) {
          const read = readOf(payload, start, byteOffset)
          const before = Buffer.from(read)
          unmask(read, start, start + length)
          if (!read.subarray(start, start + length).equals(payload)) wrong++
          if (!read.subarray(0, start).equals(before.subarray(0, start)) || read.readBigUInt64LE(start + length) !== 0n) wrong++
        }
      }
    }
    t.equal(wrong, 0)
  })

  t.test(`${way}: unmasking twice restores the bytes`, async (t) => {
    for (const length of [0, 5, 95, 96, 1000, 2000]) {
      const read = readOf(Buffer.alloc(length, 'payload'), 6, 1)
      const before = Buffer.from(read)
      unmask(read, 6, 6 + length)
      unmask(read, 6, 6 + length)
      t.same(read, before, `${length} bytes`)
    }
  })

  t.test(`${way}: returns whether the payload is ASCII, wherever another byte stands`, async (t) => {
    for (const length of [0, 1, 9, 95, 96, 97, 98, 99, 300, 1536]) {
      const payload = Buffer.alloc(length, 0x7f)
      t.equal(unmask(readOf(payload, 6, 1), 6, 6 + length), true, `${length} bytes of ASCII`)
      let found = 0
      for (let i = 0; i < length; i++) {
        payload[i] = 0x80
        if (!unmask(readOf(payload, 6, 1), 6, 6 + length)) found++
        payload[i] = 0x7f
      }
      t.equal(found, length, `each of ${length} bytes that is not`)
    }
  })

  t.test(`${way}: takes the mask from elsewhere, beginning with any of its bytes`, async (t) => {
    const next = random(2)
    let wrong = 0
    for (const length of LENGTHS) {
      const payload = Buffer.from(Array.from({ length }, () => Math.floor(next() * 256)))
      for (const phase of [0, 1, 2, 3]) {
        for (const start of [0, 1, 2, 3, 5]) {
          const chunk = Buffer.alloc(start + length + 5)
          for (let i = 0; i < length; i++) chunk[start + i] = payload[i] ^ MASK[(i + phase) % 4]
          const twice = Buffer.concat([Buffer.from('xyz'), MASK, MASK])
          const isAscii = unmask(chunk, start, start + length, twice, 3 + phase)
          if (!chunk.subarray(start, start + length).equals(payload) || chunk.subarray(0, start).some(Boolean) || chunk.subarray(start + length).some(Boolean)) wrong++
          if (isAscii !== payload.every((byte) => byte < 0x80) || !twice.equals(Buffer.concat([Buffer.from('xyz'), MASK, MASK]))) wrong++
        }
      }
    }
    t.equal(wrong, 0)
  })
}

t.test('a new mask is four random bytes, and no byte beside them is written', async (t) => {
  const masks = new Set<number>()
  const bytes = new Set<number>()
  for (let i = 0; i < 5000; i++) {
    const target = Buffer.alloc(9)
    writeMask(target, 2)
    masks.add(target.readUInt32BE(2))
    for (const byte of target.subarray(2, 6)) bytes.add(byte)
    target.fill(0, 2, 6)
    if (target.some(Boolean)) t.fail('another byte was written')
  }
  t.ok(masks.size > 4990, `${masks.size} masks`)
  t.equal(bytes.size, 256)
})
