import { constants } from 'node:buffer'
import t from 'tap'
import { messageReceived, subscribe } from '../../lib/observe/channels'
import { Parser } from '../../lib/protocol/parser'
import { random, seed, runs } from '../helpers/fuzz'
import { BINARY, CONTINUATION, PING, TEXT } from '../helpers/frames'
import { isLinear } from '../helpers/linear'
import { deflate, RandomFrames } from '../helpers/random-frames'
import { receiveWithWs, Reception, sharedMemory, type ReceptionOptions } from '../helpers/reception'
import { compressedStreams, LONG, makeFor, MAX_CONTENT, MAX_PAYLOAD, RSV1, streams, TEXT_CONTENT } from '../helpers/streams'
import type { Agreement } from '../../lib/protocol/extension'

/* For any bytes, cut into any reads, the parser finds what the receiver of `ws` finds. */

/** Streams up to this length, in bytes, are cut at every byte; longer ones near their frames' ends. */
const SHORT = 500

const PLAIN: Agreement = { serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }
const NO_CONTEXT: Agreement = { ...PLAIN, serverNoContextTakeover: true, clientNoContextTakeover: true }

/** The events of a parser without compression for `parts`. */
function receive (parts: readonly Buffer[], options: ReceptionOptions, memory: Buffer | null): string[] {
  const reception = new Reception(options, memory)
  for (const part of parts) reception.read(part)
  return reception.events
}

function show (events: string[]): string {
  return events.map((event) => JSON.stringify(event.slice(0, 100))).join('\n')
}

/** Throws unless both have found the same. `what` names the case. */
function same (ours: string[], theirs: string[], what: () => string): void {
  if (ours.length === theirs.length && ours.every((event, i) => event === theirs[i])) return
  throw new Error(`${what()}\n${show(ours)}\ndiffers from\n${show(theirs)}`)
}

/** `bytes` in parts of `length` bytes. */
function partsOf (bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) => bytes.subarray(i * length, (i + 1) * length))
}

/** Where a stream is cut in two. */
function cutsOf (frames: Buffer[], length: number): number[] {
  if (length <= SHORT) return Array.from({ length: length - 1 }, (_, i) => i + 1)
  const ends = [0]
  for (const frame of frames) ends.push(ends[ends.length - 1] + frame.length)
  const chosen = ends.length > 20 ? ends.slice(-3) : [...ends, 65_536]
  const near = chosen.flatMap((end) => Array.from({ length: 14 }, (_, i) => end - 2 + i))
  return [...new Set(near)].filter((cut) => cut > 0 && cut < length)
}

for (const isServer of [true, false]) {
  const side = isServer ? 'server' : 'client'
  t.test(`${side}: ${Object.keys(streams).length} streams, whole, cut at each byte, and one byte at a time`, async (t) => {
    const shared = await sharedMemory(t)
    const options = { isServer, maxPayload: MAX_PAYLOAD, agreement: null }
    const make = makeFor(isServer)
    let cuts = 0
    for (const [name, create] of Object.entries(streams)) {
      const frames = [make(TEXT, 'before'), ...create(make, isServer), make(BINARY, 'behind')]
      const bytes = Buffer.concat(frames)
      const theirs = await receiveWithWs([bytes], options)
      const check = (way: string, parts: Buffer[], memory: Buffer | null): void => {
        same(receive(parts, options, memory), theirs, () => `${name}, ${way}`)
      }
      for (const memory of [shared, null]) {
        check('whole', [bytes], memory)
        check('frame by frame', frames, memory)
      }
      check('one byte at a time', partsOf(bytes, 1), shared)
      for (const cut of cutsOf(frames, bytes.length)) {
        check(`cut at ${cut}`, [bytes.subarray(0, cut), bytes.subarray(cut)], cuts++ % 4 === 0 ? null : shared)
      }
    }
    t.pass(`${cuts} cuts`)
  })
}

const AGREEMENTS: Record<string, Agreement | null> = {
  'without compression': null,
  'with compression': PLAIN,
  'with compression without context takeover': NO_CONTEXT
}

/** The events of the parser for `parts`. If it is patient, each part comes when it is idle; else more parts come while it is busy. */
async function receiveLater (parts: readonly Buffer[], reception: Reception, isPatient: boolean): Promise<string[]> {
  for (const part of parts) {
    reception.read(part)
    if (isPatient && reception.parser.isInflating) await reception.idle()
  }
  await reception.idle()
  return reception.events
}

/**
 * `ws` decompresses each fragment at once, the parser the whole message. So the parser finds a content that is too long, or
 * invalid, only behind control frames that come between the fragments.
 */
function withoutLateControls (ours: string[], theirs: string[]): string[] {
  const last = theirs.length - 1
  if (!theirs[last]?.startsWith('error')) return ours
  return ours.filter((event, i) => i < last || !/^p[io]ng/.test(event))
}

for (const [way, agreement] of Object.entries(AGREEMENTS)) {
  for (const isServer of [true, false]) {
    const side = `${isServer ? 'server' : 'client'} ${way}`
    const total = runs(agreement === null ? 3000 : 400)
    t.test(`${side}: ${total} random streams, ${agreement === null ? 'half of them with a wrong byte, ' : ''}cut at random`, async (t) => {
      const shared = await sharedMemory(t)
      const next = random(seed)
      const counts = { events: 0, errors: 0, places: 0, busy: 0 }
      for (let i = 0; i < total; i++) {
        const options = { isServer, maxPayload: i % 5 === 0 ? 1000 : 200_000, agreement }
        const frames = new RandomFrames(next, options)
        const valid = frames.stream()
        const parts = frames.cut(agreement === null && i % 2 === 0 ? frames.mutated(valid).bytes : valid)
        const theirs = await receiveWithWs(parts, options)
        const reception = new Reception(options, i % 3 === 0 ? null : shared)
        const ours = await receiveLater(parts, reception, i % 4 !== 0)
        same(agreement === null ? ours : withoutLateControls(ours, theirs), theirs, () => `stream ${i} of seed ${seed}, ${parts.map((part) => part.length).join(' + ')} bytes`)
        counts.events += theirs.length
        counts.places += reception.places
        counts.busy += reception.busy
        if (theirs.some((event) => event.startsWith('error'))) counts.errors++
      }
      t.pass(`seed ${seed}: ${JSON.stringify(counts)}`)
    })
  }
}

// A wrong byte in what is compressed is judged by another decompressor than that of `ws`, so only what comes before it is compared.
t.test(`${runs(500)} random streams with compression and a wrong byte: what comes before it is received`, async (t) => {
  const shared = await sharedMemory(t)
  const next = random(seed)
  for (let i = 0; i < runs(500); i++) {
    const options = { isServer: i % 2 === 0, maxPayload: 200_000, agreement: PLAIN }
    const frames = new RandomFrames(next, options)
    const { bytes, at } = frames.mutated(frames.stream())
    const theirs = at === 0 ? [] : await receiveWithWs([bytes.subarray(0, at)], options)
    const ours = await receiveLater(frames.cut(bytes), new Reception(options, shared), i % 4 !== 0)
    same(ours.slice(0, theirs.length), theirs, () => `stream ${i} of seed ${seed}, wrong at ${at}`)
  }
  t.pass(`seed ${seed}`)
})

for (const isServer of [true, false]) {
  t.test(`${isServer ? 'server' : 'client'}: ${Object.keys(compressedStreams).length} streams of compressed messages`, async (t) => {
    const shared = await sharedMemory(t)
    const options = { isServer, maxPayload: MAX_CONTENT, agreement: NO_CONTEXT }
    const make = makeFor(isServer)
    for (const [name, create] of Object.entries(compressedStreams)) {
      const frames = [make(TEXT, 'before'), ...create(make), make(TEXT, deflate(TEXT_CONTENT), RSV1), make(PING, 'behind')]
      const bytes = Buffer.concat(frames)
      const theirs = await receiveWithWs([bytes], options)
      const count = bytes.length < SHORT ? 40 : 8
      const halves = Array.from({ length: count }, (_, i) => Math.ceil(bytes.length * (i + 1) / (count + 1))).map((cut) => [bytes.subarray(0, cut), bytes.subarray(cut)])
      for (const parts of [[bytes], frames, partsOf(bytes, bytes.length < SHORT ? 1 : 997), ...halves]) {
        for (const isPatient of [true, false]) {
          const ours = await receiveLater(parts, new Reception(options, shared), isPatient)
          same(withoutLateControls(ours, theirs), theirs, () => `${name}, ${parts.map((part) => part.length).slice(0, 20).join(' + ')} bytes`)
        }
      }
      t.pass(name)
    }
  })
}

t.test('what arrives while a long message is decompressed waits, and the parser tells when', async (t) => {
  const make = makeFor(true)
  const reception = new Reception({ isServer: true, maxPayload: 200_000, agreement: NO_CONTEXT }, null)
  reception.read(Buffer.concat([make(TEXT, 'before'), make(BINARY, deflate(LONG), RSV1), make(TEXT, 'same read')]))
  t.equal(reception.parser.isInflating, true)
  reception.read(make(TEXT, 'next read'))
  t.equal(reception.events.length, 1)
  await reception.idle()
  t.equal(reception.parser.isInflating, false)
  t.same(reception.events.map((event) => event.slice(0, 15)), ['text of 6: befo', 'bytes of 100000', 'text of 9: same', 'text of 9: next'])
})

t.test('compressed messages behind a pause wait, so that a read holds no more than its length; others are delivered', async (t) => {
  const make = makeFor(true)
  const frames = Buffer.concat([1, 2, 3].map((i) => make(BINARY, deflate(Buffer.alloc(i, 'x')), RSV1)))
  const reception = new Reception({ isServer: true, maxPayload: 200_000, agreement: NO_CONTEXT }, await sharedMemory(t))
  reception.parser.recipient = pausing(reception)
  for (const count of [1, 2, 3]) {
    if (count === 1) reception.read(frames)
    else reception.parser.resume()
    if (count === 2) reception.read(make(TEXT, 'next read'))
    t.equal(reception.events.length, count)
  }
  reception.parser.resume()
  t.same(reception.events.map((event) => event.slice(0, 10)), ['bytes of 1', 'bytes of 2', 'bytes of 3', 'text of 9:'])
  const plain = new Reception({ isServer: true, maxPayload: 200_000, agreement: null }, null)
  plain.parser.recipient = pausing(plain)
  plain.read(Buffer.concat([make(TEXT, 'one'), make(TEXT, 'two')]))
  t.equal(plain.events.length, 2)
})

/** A recipient that pauses the parser at each message. */
function pausing ({ parser }: Reception): Parser['recipient'] {
  const { recipient } = parser
  return {
    push (message, bytes) {
      parser.pause()
      recipient.push(message, bytes)
    }
  }
}

t.test('a long message in a pause: the messages behind it wait until the pause is over', async (t) => {
  const make = makeFor(true)
  const reception = new Reception({ isServer: true, maxPayload: 200_000, agreement: NO_CONTEXT }, null)
  reception.read(Buffer.concat([make(BINARY, deflate(LONG), RSV1), make(TEXT, 'behind')]))
  reception.parser.pause()
  await reception.idle()
  t.equal(reception.events.length, 1)
  reception.parser.resume()
  t.equal(reception.events.length, 2)
})

t.test('compressed messages that nobody takes are not decompressed, and control frames are found all the same', async (t) => {
  const make = makeFor(true)
  const reception = new Reception({ isServer: true, maxPayload: 200_000, agreement: NO_CONTEXT }, null)
  reception.parser.pause()
  reception.read(Buffer.concat([make(BINARY, 'waits'), make(BINARY, Buffer.from('not deflate'), RSV1), make(PING, 'ping')]))
  t.equal(reception.events.length, 0)
  reception.parser.discard()
  t.equal(reception.events.length, 2)
  t.match(reception.events[1], 'ping')
})

t.test('a text that is longer than the longest string is delivered as bytes', async (t) => {
  const length = constants.MAX_STRING_LENGTH + 1
  const header = makeFor(false)(TEXT, '', { length: BigInt(length) })
  const chunk = Buffer.alloc(header.length + length)
  header.copy(chunk)
  const got: unknown[] = []
  const parser: Parser = new Parser({ isServer: false, maxPayload: 2 ** 31 - 1, decompressor: null }, fail)
  parser.recipient = { push: (message, bytes) => got.push(Buffer.isBuffer(message), message.length, bytes, parser.isText) }
  parser.read(chunk)
  t.same(got, [true, length, length, true])
})

const unexpected = (): void => { throw new Error('unexpected') }
const fail = { onControlFrame: unexpected, onViolation: unexpected, onBusy: unexpected, onIdle: unexpected }

/** Returns a parser, and a function that tells how many bytes of messages it has delivered. */
function createParser (isServer: boolean, maxPayload: number): { parser: Parser, received: () => number } {
  let received = 0
  const parser = new Parser({ isServer, maxPayload, decompressor: null }, fail)
  parser.recipient = { push: (_message, bytes) => { received += bytes } }
  return { parser, received: () => received }
}

t.test('the time is linear in the number of reads and of fragments', async (t) => {
  for (const isServer of [true, false]) {
    const make = makeFor(isServer)
    isLinear(t, 64 * 1024, (n) => {
      const { parser, received } = createParser(isServer, n)
      const bytes = make(BINARY, Buffer.alloc(n))
      return () => {
        for (const part of partsOf(bytes, 1)) parser.read(part)
        if (received() !== n) t.fail(`${received()} of ${n} bytes`)
      }
    }, `a message, one byte a read, ${isServer ? 'server' : 'client'}`)
    const cycle = Buffer.concat(Array.from({ length: 10 }, (_, i) => make(CONTINUATION, 'x'.repeat(i + 1), { fin: false })))
    isLinear(t, 25_000, (n) => {
      const { parser, received } = createParser(isServer, 2 * n * 1024)
      const bytes = Buffer.concat([make(BINARY, '', { fin: false }), ...Array(n / 10).fill(cycle), make(CONTINUATION)])
      return () => {
        for (const part of partsOf(bytes, 65_536)) parser.read(part)
        if (received() !== n * 5.5) t.fail(`${received()} bytes`)
      }
    }, `fragments of at most 10 bytes, ${isServer ? 'server' : 'client'}`)
  }
})

t.test('a parser without a message has no place for bytes', async (t) => {
  const { parser } = createParser(true, 1000)
  t.equal(parser.place, undefined)
})

t.test('while somebody listens, the observer gets the messages in place of the recipient', async (t) => {
  const parser = new Parser({ isServer: true, maxPayload: MAX_PAYLOAD, decompressor: null }, { onControlFrame () {}, onViolation () {}, onBusy () {}, onIdle () {} })
  const told: string[] = []
  const to = (name: string): { push (message: unknown): void } => ({ push (message) { told.push(`${name} ${message}`) } })
  parser.recipient = to('recipient')
  const make = makeFor(true)
  const read = (text: string): void => parser.read(Buffer.from(make(TEXT, text)))
  read('a')
  const end = subscribe(messageReceived, () => {})
  read('b')
  parser.observer = to('observer')
  read('c')
  read('d'.repeat(70_000))
  end()
  read('e')
  t.same(told.map((line) => line.slice(0, 11)), ['recipient a', 'recipient b', 'observer c', 'observer dd', 'recipient e'])
})
