import t from 'tap'
import { Assembly } from '../../lib/protocol/assembly'
import { random } from '../helpers/fuzz'

const KB = 1024
const MB = 1024 * KB

const MASK = [0x37, 0xfa, 0x21, 0x3d]

/** The size of the memory that Node's small buffers share, in bytes: Node 26 adds 64 to align it. */
const POOL = Buffer.poolSize + 64

/** The bytes of memory that an assembly holds. */
function reserved (assembly: Assembly): number {
  const { byteLength } = assembly.bytes.buffer
  return byteLength > POOL ? byteLength : assembly.bytes.length
}

/** Begins a frame of `length` bytes. */
function begin (assembly: Assembly, length: number, isLast = true): void {
  assembly.begin(length, isLast, Buffer.from([0, ...MASK]), 5)
}

function masked (payload: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ MASK[i & 3]))
}

/** Bytes of which no two parts are equal. */
function pattern (length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(i * 2_654_435_761 % 2 ** 32, i)
  return bytes
}

/** Adds `part`, which is in a chunk between other bytes. The bytes behind it are there only if it is the end of the frame. */
function add (assembly: Assembly, part: Buffer, before: number): void {
  const chunk = Buffer.concat([Buffer.alloc(before, 'x'), part, Buffer.from(part.length === assembly.missing ? 'next frame' : '')])
  const copy = Buffer.from(chunk)
  const end = assembly.add(chunk, before)
  if (end !== before + part.length || !chunk.equals(copy)) throw new Error('a wrong end, or the chunk has changed')
}

for (const isMasked of [true, false]) {
  const side = isMasked ? 'with a mask' : 'without a mask'
  const received = (payload: Buffer): Buffer => isMasked ? masked(payload) : Buffer.from(payload)

  t.test(`${side}: puts frames together, in whatever parts they come, in their place or not`, async (t) => {
    const next = random(1)
    let places = 0
    for (let run = 0; run < 200; run++) {
      const assembly = new Assembly(0x82, { maxPayload: 2 * MB, isServer: isMasked })
      const count = 1 + Math.floor(next() * 4)
      const payloads = Array.from({ length: count }, () => pattern(Math.floor(next() ** 4 * 400 * KB)))
      for (const [i, payload] of payloads.entries()) {
        begin(assembly, payload.length, i === count - 1)
        const bytes = received(payload)
        for (let at = 0; at < bytes.length;) {
          const { place } = assembly
          const length = Math.min(1 + Math.floor(next() ** 4 * 200 * KB), bytes.length - at, place?.length ?? Infinity)
          const part = bytes.subarray(at, at + length)
          if (place === undefined) add(assembly, part, i)
          else {
            places++
            if (place.length < 64 * KB || place.length > assembly.missing) throw new Error(`a place of ${place.length} bytes`)
            part.copy(place)
            assembly.placed(length)
          }
          at += length
        }
        if (assembly.missing !== 0) throw new Error(`${assembly.missing} bytes are missing`)
      }
      const whole = Buffer.concat(payloads)
      if (!assembly.bytes.equals(whole) || assembly.length !== whole.length || assembly.fragments !== count) throw new Error(`run ${run} differs`)
    }
    t.ok(places > 50, `${places} parts in their place`)
  })
}

t.test('a header that announces much takes no memory, nor does its first byte', async (t) => {
  for (const isLast of [true, false]) {
    const assembly = new Assembly(0x82, { maxPayload: 64 * MB, isServer: true })
    begin(assembly, 64 * MB, isLast)
    t.equal(assembly.bytes.length, 0)
    t.equal(reserved(assembly), 0)
    t.equal(assembly.place, undefined)
    t.equal(assembly.add(Buffer.from('a'), 0), 1)
    t.ok(reserved(assembly) < 64 * KB, `${reserved(assembly)} bytes`)
  }
})

t.test('the memory is at most four times what has arrived, and 512 bytes', async (t) => {
  for (const isLast of [true, false]) {
    const assembly = new Assembly(0x82, { maxPayload: 64 * MB, isServer: false })
    const chunk = Buffer.alloc(1000)
    begin(assembly, 64 * MB, isLast)
    let most = 0
    for (let arrived = 0; arrived < 8 * MB; arrived += chunk.length) {
      assembly.add(chunk, 0)
      const { byteLength } = assembly.bytes.buffer
      if (byteLength > POOL) most = Math.max(most, byteLength / (4 * assembly.length + 512)) // small ones are in Node's pool
    }
    t.ok(most > 0.5 && most <= 1, `${most} of that`)
  }
})

t.test('the memory of the last frame is as long as the message', async (t) => {
  const assembly = new Assembly(0x82, { maxPayload: 64 * MB, isServer: false })
  begin(assembly, 100 * KB)
  assembly.add(Buffer.alloc(60 * KB), 0)
  t.equal(reserved(assembly), 100 * KB)
  assembly.add(Buffer.alloc(60 * KB), 0)
  t.equal(assembly.missing, 0)
  t.equal(assembly.bytes.length, assembly.bytes.buffer.byteLength)
})

t.test('a message of fragments does not keep the memory for more of them', async (t) => {
  for (const [length, isCopy] of [[1, true], [200, true], [30 * KB, true], [33 * KB, false]] as const) {
    const assembly = new Assembly(0x82, { maxPayload: 64 * MB, isServer: false })
    const payload = pattern(length)
    begin(assembly, length, false)
    assembly.add(payload, 0)
    begin(assembly, isCopy ? 0 : 34 * KB)
    if (!isCopy) assembly.add(Buffer.alloc(assembly.missing), 0)
    t.equal(assembly.message.buffer !== assembly.bytes.buffer || assembly.message.byteOffset !== assembly.bytes.byteOffset, isCopy, `${length} bytes`)
    t.ok(assembly.message.equals(assembly.bytes))
    t.ok(assembly.message.subarray(0, length).equals(payload))
  }
})

t.test('the memory never exceeds maxPayload', async (t) => {
  const assembly = new Assembly(0x82, { maxPayload: 100 * KB, isServer: false })
  begin(assembly, 50 * KB, false)
  assembly.add(Buffer.alloc(50 * KB), 0)
  t.equal(reserved(assembly), 100 * KB)
})

t.test('a place is the rest of the frame, if that is long, as far as there is memory', async (t) => {
  const assembly = new Assembly(0x82, { maxPayload: 64 * MB, isServer: false })
  begin(assembly, 100 * KB)
  assembly.add(Buffer.alloc(36 * KB), 0)
  t.equal(assembly.place!.length, 64 * KB)
  t.equal(assembly.place!.buffer, assembly.bytes.buffer)
  t.equal(assembly.place!.byteOffset - assembly.bytes.byteOffset, 36 * KB)
  assembly.placed(1)
  t.equal(assembly.place, undefined, 'it is short now')

  const long = new Assembly(0x82, { maxPayload: 64 * MB, isServer: false })
  begin(long, MB)
  long.add(Buffer.alloc(30 * KB), 0)
  t.equal(long.place!.length, 90 * KB, 'three times what has arrived')
})

t.test('a place ends with the frame, even if there is memory for the next one', async (t) => {
  const assembly = new Assembly(0x82, { maxPayload: 64 * MB, isServer: false })
  begin(assembly, 164 * KB, false)
  assembly.add(Buffer.alloc(100 * KB), 0)
  t.equal(assembly.place!.length, 64 * KB)
})

/** Reads a text of `length` bytes in two parts, and gives its memory back. Returns the memory. */
function memoryOfText (length: number): ArrayBufferLike {
  const assembly = new Assembly(0x81, { maxPayload: MB, isServer: true })
  begin(assembly, length)
  add(assembly, masked(pattern(length)).subarray(0, length - 1), 0)
  add(assembly, masked(pattern(length)).subarray(length - 1), 0)
  const { buffer } = assembly.bytes
  assembly.free()
  return buffer
}

t.test('the memory of a text is used again for a text of about its length, whatever the lengths of the texts between them', (t) => {
  const first = memoryOfText(20_000)
  for (const length of [5_000, 9_000, 40_000, 60_000, 200_000, 300]) memoryOfText(length)
  t.equal(memoryOfText(30_000), first)
  t.ok(first.byteLength < 2 * 20_000)
  t.end()
})

t.test('the memory of bytes is never used again, since the handler keeps it', (t) => {
  const assembly = new Assembly(0x82, { maxPayload: MB, isServer: true })
  // Longer than what Node takes from its pool of buffers: up to 4 KiB, or 32 KiB from Node 24 on.
  begin(assembly, 40_000)
  add(assembly, masked(pattern(40_000)), 0)
  const { buffer } = assembly.bytes
  assembly.free()
  t.not(memoryOfText(40_000), buffer)
  t.equal(buffer.byteLength, 40_000, 'and has the length of the message')
  t.end()
})
