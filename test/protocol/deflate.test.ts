import t from 'tap'
import { deflateRawSync } from 'node:zlib'
import { Deflater, History, Inflater } from '../../lib/protocol/deflate'
import { Violation } from '../../lib/protocol/violation'
import { Deflate } from '../conformance/deflate'

const { PerMessageDeflate } = require('ws')

const NONE = Buffer.alloc(0)

/** A final block, and with it no context. */
const Z_FINISH = 4

/** The dictionary of a server, in bytes. */
const DICTIONARY = 2048

const WINDOWS = [8, 9, 10, 11, 12, 13, 14, 15]

/** Inflates both ways. `limit` is the longest content. */
async function inflated (payload: Uint8Array, limit = 0): Promise<Buffer> {
  const now = new Inflater({ maxPayload: limit }, null).inflate(payload)
  const later = await new Inflater({ maxPayload: limit }, null).inflateLater(payload)
  t.ok(now.equals(later))
  return now
}

/** The violation of both ways, which is the same. */
async function violation (payload: Uint8Array, limit = 0, options = {}): Promise<Violation> {
  const inflater = (): Inflater => new Inflater({ ...options, maxPayload: limit }, null)
  const now = await (async () => inflater().inflate(payload))().catch((thrown) => thrown)
  const later = await inflater().inflateLater(payload).catch((thrown) => thrown)
  t.ok(now instanceof Violation && later instanceof Violation)
  t.match(later, { error: { message: now.error.message, code: now.error.code }, closeCode: now.closeCode })
  return now
}

/** Seeded contents: text that repeats itself and earlier texts, bytes of all kinds, and mixtures; 0 to 100,000 bytes. */
function * contents (count: number, seed: number): Generator<Buffer> {
  const random = (below: number): number => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff) % below
  const words = ['price', 'volume', '"bid":', '{"room":', 'ünï', '},', '€', '😀']
  const text = (length: number): string => {
    let written = ''
    while (written.length < length) written += words[random(words.length)] + random(1000)
    return written
  }
  for (let i = 0; i < count; i++) {
    const length = random(i % 10 === 0 ? 100_000 : [1, 30, 300, 3000][random(4)])
    const bytes = random(3) === 0 ? Uint8Array.from({ length }, () => random(256)) : Buffer.from(text(length))
    yield Buffer.from(bytes.subarray(0, length))
  }
}

/** One side of `ws`, with the context taken over on both sides. */
class Ws {
  readonly #deflate

  constructor (bits: number, isServer: boolean) {
    this.#deflate = new PerMessageDeflate({ isServer })
    this.#deflate.params = { server_max_window_bits: bits, client_max_window_bits: bits }
    t.teardown(() => this.#deflate.cleanup())
  }

  compress = async (content: Buffer): Promise<Buffer> => this.#call('compress', content)
  decompress = async (payload: Buffer): Promise<Buffer> => this.#call('decompress', payload)

  async #call (name: string, data: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => this.#deflate[name](data, true, (error: Error | null, result: Buffer) => error ? reject(error) : resolve(result)))
  }
}

for (const bits of WINDOWS) {
  t.test(`ws reads what is compressed for a window of ${bits} bits, with and without the context`, async (t) => {
    const ws = new Ws(bits, false)
    const deflater = new Deflater({}, bits)
    const history = new History(Math.min(2 ** bits, DICTIONARY))
    let wrong = 0
    let i = 0
    for (const content of contents(60, bits)) {
      const dictionary = i++ % 3 === 0 ? NONE : history.dictionary
      const payload = i % 4 === 0 ? await deflater.deflateLater(content, dictionary) : deflater.deflate(content, dictionary)
      history.append(content)
      if (!(await ws.decompress(payload)).equals(content)) wrong++
    }
    t.equal(wrong, 0)
  })

  t.test(`what ws compresses with its context in a window of ${bits} bits is read`, async (t) => {
    for (const isServer of [true, false]) {
      const ws = new Ws(bits, isServer)
      // zlib serves 8 bits with a window of 9. See the comment of Deflater for why a history of 8 is enough.
      const inflater = new Inflater({ maxPayload: Infinity }, new History(2 ** bits))
      let wrong = 0
      let i = 0
      for (const content of contents(60, bits)) {
        const payload = await ws.compress(content)
        const read = i++ % 4 === 0 ? await inflater.inflateLater(payload) : inflater.inflate(payload)
        if (!read.equals(content)) wrong++
      }
      t.equal(wrong, 0)
    }
  })

  t.test(`no distance is longer than a window of ${bits} bits`, async (t) => {
    const peer = new Deflate(`server_max_window_bits=${bits}`)
    t.teardown(() => peer.close())
    const deflater = new Deflater({ zlibDeflateOptions: { level: 9 } }, bits)
    const history = new History(2 ** bits)
    let wrong = 0
    for (const content of contents(40, bits)) {
      const payload = deflater.deflate(content, history.dictionary)
      history.append(content)
      if (!(await peer.decompress(payload)).equals(content)) wrong++
    }
    t.equal(wrong, 0)
  })
}

t.test('what is compressed is read', async (t) => {
  const deflater = new Deflater({}, 15)
  const [sent, received] = [new History(DICTIONARY), new History(2 ** 15)]
  const inflater = new Inflater({ maxPayload: 100_000 }, received)
  let wrong = 0
  for (const content of contents(200, 1)) {
    const payload = deflater.deflate(content, sent.dictionary)
    const later = await deflater.deflateLater(content, sent.dictionary)
    sent.append(content)
    if (!payload.equals(later) || !inflater.inflate(payload).equals(content)) wrong++
  }
  t.equal(wrong, 0)
})

t.test('an empty message is one byte', async (t) => {
  const deflater = new Deflater({}, 15)
  for (const dictionary of [NONE, Buffer.from('dictionary')]) {
    t.same([...deflater.deflate(NONE, dictionary)], [0])
    t.same([...await deflater.deflateLater(NONE, dictionary)], [0])
  }
  t.same(await inflated(Buffer.from([0])), NONE)
  t.same(await inflated(NONE), NONE)
})

t.test('the context makes a message shorter', async (t) => {
  const deflater = new Deflater({}, 15)
  const content = Buffer.from(JSON.stringify({ symbol: 'ABC', price: 101.25, volume: 3000, exchange: 'XETRA' }))
  t.ok(deflater.deflate(content, content).length < deflater.deflate(content, NONE).length / 4)
})

t.test('a small message is no longer for its smaller window', async (t) => {
  // The message ends with what its dictionary begins with: the longest distance that there is.
  let seed = 5
  const random = Buffer.from(Uint8Array.from({ length: 10_000 }, () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 24))
  const dictionary = random.subarray(0, DICTIONARY)
  for (const length of [0, 1000, 5582, 5583, 5882, 5883, 7900]) {
    const message = Buffer.concat([random.subarray(DICTIONARY, DICTIONARY + length), random.subarray(0, 300)])
    const large = deflateRawSync(message, { level: 1, finishFlush: 2, dictionary })
    t.equal(new Deflater({}, 15).deflate(message, dictionary).length, large.length - 4, `${length} bytes`)
  }
})

t.test('options of zlib have effect, but not those that a message cannot be sent or read with', async (t) => {
  const content = Buffer.from('abcdefgh'.repeat(1000))
  const stored = new Deflater({ zlibDeflateOptions: { level: 0 } }, 15).deflate(content, NONE)
  t.ok(stored.length > content.length)
  const usual = new Deflater({}, 15).deflate(content, NONE)
  const options = { level: undefined, windowBits: 9, finishFlush: Z_FINISH, flush: Z_FINISH, chunkSize: 64, dictionary: content, info: true, maxOutputLength: 1 }
  t.same(new Deflater({ zlibDeflateOptions: options }, 15).deflate(content, NONE), usual)
  t.same(new Inflater({ zlibInflateOptions: options, maxPayload: 0 }, null).inflate(usual), content)
})

// RFC 7692, sections 7.2.3.1 to 7.2.3.6: each is "Hello".
const HELLO: [name: string, payload: number[]][] = [
  ['one compressed block', [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]],
  ['a block without compression', [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]],
  ['a final block', [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]],
  ['two blocks', [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]]
]

for (const [name, payload] of HELLO) {
  t.test(`the example of RFC 7692 with ${name}`, async (t) => {
    t.same(await inflated(Buffer.from(payload)), Buffer.from('Hello'))
  })
}

t.test('the example of RFC 7692 with a shared window', async (t) => {
  const inflater = new Inflater({ maxPayload: 0 }, new History(2 ** 15))
  t.same(inflater.inflate(Buffer.from([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00])), Buffer.from('Hello'))
  t.same(await inflater.inflateLater(Buffer.from([0xf2, 0x00, 0x11, 0x00, 0x00])), Buffer.from('Hello'))
})

t.test('what follows a final block is read, with and without a reference to what came before', async (t) => {
  const first = Buffer.from('a first part of a message')
  const second = Buffer.from('a second part of a message')
  const finished = deflateRawSync(first)
  for (const dictionary of [undefined, first]) {
    for (const end of [Z_FINISH, 2]) {
      const payload = Buffer.concat([finished, deflateRawSync(second, { dictionary, finishFlush: end })])
      t.same(await inflated(payload), Buffer.concat([first, second]))
    }
  }
})

t.test('what follows a final block may refer to the messages before', async (t) => {
  const before = Buffer.from('the message before these two parts')
  const history = new History(2 ** 15)
  history.append(before)
  const second = Buffer.from('the message before')
  const payload = Buffer.concat([deflateRawSync('part'), deflateRawSync(second, { dictionary: Buffer.concat([before, Buffer.from('part')]) })])
  t.same(new Inflater({ maxPayload: 0 }, history).inflate(payload), Buffer.concat([Buffer.from('part'), second]))
  t.same(history.dictionary, Buffer.from('the message before these two partspartthe message before'))
})

t.test('a message may have 8 final blocks', async (t) => {
  const finals = (count: number): Buffer => Buffer.concat([...Array(count).fill(deflateRawSync('a')), Buffer.from([0])])
  t.same(await inflated(finals(8)), Buffer.from('a'.repeat(8)))
  t.equal((await violation(finals(9))).closeCode, 1008)
  t.match((await violation(finals(100_000))).error, { code: 'WS_ERR_TOO_MANY_BUFFERED_PARTS' })
})

t.test('a content of maxPayload is read, and one byte more is a violation', async (t) => {
  const content = Buffer.alloc(100_000, 'ab')
  const payload = new Deflater({}, 15).deflate(content, NONE)
  t.ok((await inflated(payload, 100_000)).equals(content))
  t.ok((await inflated(payload, Infinity)).equals(content))
  for (const limit of [99_999, 1]) t.match(await violation(payload, limit), { error: { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' }, closeCode: 1009 })
})

t.test('maxPayload counts what is before and after a final block', async (t) => {
  const payload = Buffer.concat([deflateRawSync('abcde'), deflateRawSync('fgh'), Buffer.from([0])])
  t.same(await inflated(payload, 8), Buffer.from('abcdefgh'))
  for (const limit of [7, 5, 4]) t.equal((await violation(payload, limit)).closeCode, 1009)
})

t.test('64 MiB of zeros are refused at 1 MiB', async (t) => {
  const payload = deflateRawSync(Buffer.alloc(2 ** 26), { finishFlush: 2 })
  const started = process.hrtime.bigint()
  t.equal((await violation(payload, 2 ** 20)).closeCode, 1009)
  t.ok(process.hrtime.bigint() - started < 500_000_000n)
})

t.test('invalid data is a violation with the error of zlib', async (t) => {
  for (const payload of [[0xff, 0xff], [0x06], [0xf2, 0x00, 0x11, 0x00, 0x00]]) {
    t.match(await violation(Buffer.from(payload)), { error: { code: 'Z_DATA_ERROR' }, closeCode: 1007 })
  }
  const second = Buffer.concat([deflateRawSync('first'), Buffer.from([0x06])])
  t.match(await violation(second), { error: { code: 'Z_DATA_ERROR' }, closeCode: 1007 })
})

t.test('a message after a violation does not refer to it', async (t) => {
  const history = new History(100)
  const inflater = new Inflater({ maxPayload: 0 }, history)
  t.throws(() => inflater.inflate(Buffer.from([0xff])))
  t.equal(history.dictionary.length, 0)
})

t.test('the dictionary may change while a message is compressed in another thread', async (t) => {
  const deflater = new Deflater({}, 15)
  const history = new History(100)
  history.append(Buffer.from('what was sent before'))
  const content = Buffer.from('what was sent before and after')
  const expected = deflater.deflate(content, history.dictionary)
  const later = deflater.deflateLater(content, history.dictionary)
  history.append(Buffer.alloc(100))
  t.same(await later, expected)
})

t.test('results hold little more memory than they need', async (t) => {
  const held = (buffer: Buffer): number => buffer.buffer.byteLength
  const pool = Buffer.poolSize
  const content = Buffer.alloc(60_000, '{"price":101.25},')
  const payload = new Deflater({}, 15).deflate(content, NONE)
  t.ok(payload.length < 1000)
  t.ok(held(payload) <= pool)
  t.ok(held(await new Deflater({}, 15).deflateLater(content, NONE)) <= pool)
  const random = Uint8Array.from({ length: 60_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 13)
  const stored = deflateRawSync(random, { level: 0, finishFlush: 2 })
  t.ok(held(await inflated(stored)) <= Math.max(pool, 120_000))
  t.ok(held(await inflated(payload)) <= Math.max(pool, 120_000))
})

t.test('a history is the end of what was sent', async (t) => {
  for (const size of [1, 7, 256, 2048]) {
    const history = new History(size)
    let all = NONE
    let wrong = 0
    for (const content of contents(300, size)) {
      const part = content.subarray(0, 3000)
      all = Buffer.concat([all.subarray(-size), part])
      history.append(part)
      if (!history.dictionary.equals(all.subarray(-size))) wrong++
    }
    t.equal(wrong, 0, `${size} bytes`)
    t.ok(history.dictionary.buffer.byteLength <= size)
  }
})

t.test('a history holds its own memory, and no more than was sent', async (t) => {
  const history = new History(2048)
  t.equal(history.dictionary.buffer.byteLength, 0)
  const content = Buffer.from('sent')
  history.append(content)
  content.fill(0)
  t.same(history.dictionary, Buffer.from('sent'))
  t.equal(history.dictionary.buffer.byteLength, 4)
  history.append(Buffer.from('more'))
  t.equal(history.dictionary.buffer.byteLength, 8)
  history.append(Buffer.from('!'))
  t.equal(history.dictionary.buffer.byteLength, 16)
  history.append(Buffer.alloc(100_000, 1))
  t.equal(history.dictionary.buffer.byteLength, 2048)
})
