import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { PassThrough, Writable } from 'node:stream'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { oversizeReason, deferEnds, readsWholeMessages, readWholeMessages } from '../../lib/protocol/receiver'
import { deliver } from '../../lib/protocol/recipient'
import { encode } from '../conformance/frame'
import { check } from '../helpers/fuzz'
import { BINARY, CLOSE, closePayload, CONTINUATION, PING, PONG, TEXT } from '../helpers/frames'

/* For any bytes, cut into any reads, the receiver emits the same events as the receiver of `ws` alone. */

const MAX_PAYLOAD = 70_000

const Receiver = (WebSocket as any).Receiver

interface Options {
  /** All reads come in one turn, as when a paused stream goes on. */
  atOnce?: boolean
  [option: string]: unknown
}

/** The receiver of `ws`, or the receiver of this package: with a recipient, or with events. */
type Kind = 'ws' | 'recipient' | 'events'

/** Takes the messages of `raw` out, as a session does. */
function adapt (raw: object): void {
  deferEnds(raw, new PassThrough())
  readWholeMessages(raw)
}

/** A socket that has `receiver`. */
function socketWith (receiver: object): any {
  return Object.assign(new EventEmitter(), { _receiver: receiver })
}

/** The events that a receiver emits for `reads`, in order. */
async function told (reads: Buffer[], kind: Kind, { atOnce = false, ...options }: Options = {}): Promise<unknown[]> {
  const receiver = new Receiver({ isServer: true, maxPayload: MAX_PAYLOAD, maxFragments: 5, ...options })
  const events: unknown[] = []
  for (const event of ['message', 'ping', 'pong', 'conclude']) {
    receiver.on(event, (...args: unknown[]) => events.push([event, ...args.map((arg) => arg instanceof Uint8Array ? Buffer.from(arg) : arg)]))
  }
  receiver.on('error', ({ code }: any) => events.push(['error', code]))
  const raw = socketWith(receiver)
  if (kind === 'recipient') {
    deliver(raw, {
      push (message, bytes) {
        const data = Buffer.from(message)
        if (bytes !== data.length) throw new Error(`${bytes} bytes, for ${data.length}`)
        events.push(['message', data, typeof message !== 'string'])
      }
    })
  }
  if (kind !== 'ws') adapt(raw)
  for (const read of reads) {
    if (events.some((event) => ['conclude', 'error'].includes((event as string[])[0]))) break // `ws` no longer listens to the stream
    receiver.write(Buffer.from(read)) // a copy, because the receiver unmasks in place
    if (!atOnce) await new Promise(process.nextTick) // a stream emits its errors in a tick
  }
  await nextTurn()
  return events
}

t.test('the reason of a close with 1009 names the limit, if the receiver has failed', async (t) => {
  const receiver = new Receiver({ isServer: true, maxPayload: 10 })
  receiver.on('error', () => {})
  t.equal(oversizeReason({}), undefined, 'of a socket that has no receiver, as on Bun')
  t.equal(oversizeReason({ _receiver: null }), undefined)
  t.equal(oversizeReason(socketWith(receiver)), undefined)
  receiver.write(encode({ opcode: BINARY, payload: Buffer.alloc(11) }))
  t.equal(oversizeReason(socketWith(receiver)), 'message larger than 10 bytes')
})

const isSame = async (t: Test, reads: Buffer[], options?: Options): Promise<unknown[]> => {
  const [taken, emitted, theirs] = await Promise.all([told(reads, 'recipient', options), told(reads, 'events', options), told(reads, 'ws', options)])
  t.strictSame(taken, theirs)
  t.strictSame(emitted, theirs)
  return theirs
}

const message = (payload: string | Buffer, opcode = typeof payload === 'string' ? TEXT : BINARY): Buffer => encode({ opcode, payload: Buffer.from(payload) })

t.test('whole messages in a read do not reach the receiver of ws', async (t) => {
  const receiver = new Receiver({ isServer: true, maxPayload: MAX_PAYLOAD })
  receiver._write = () => t.fail('the parser was asked')
  const messages: unknown[] = []
  const raw = socketWith(receiver)
  deliver(raw, { push: (message, bytes) => messages.push([message, bytes]) })
  t.equal(readsWholeMessages(raw), false)
  adapt(raw)
  t.equal(readsWholeMessages(raw), true)
  t.equal(receiver.write(Buffer.concat([message('a'), message(Buffer.from('b')), message('grüße'), message('x'.repeat(65_535))])), true)
  t.strictSame(messages, [['a', 1], [Buffer.from('b'), 1], ['grüße', 7], ['x'.repeat(65_535), 65_535]])
})

t.test('a frame of each kind gives the same events, whole, cut at each byte, and with a message before and after it', async (t) => {
  const euro = Buffer.from('€')
  const frames: Record<string, Buffer> = {
    'a text': message('text'),
    'a letter, behind whose first byte is what looks like an empty text': encode({ opcode: TEXT, payload: Buffer.from('a'), mask: [0x80, 1, 2, 3] }),
    bytes: message(Buffer.from([1, 2, 3])),
    'an empty message': message(''),
    'a text with a length of 16 bits': message('x'.repeat(126)),
    'a length that is not in its shortest form': encode({ opcode: TEXT, payload: Buffer.from('ab'), lengthBytes: 2 }),
    'a length of 64 bits': encode({ opcode: TEXT, payload: Buffer.from('ab'), lengthBytes: 8 }),
    'a text that is not UTF-8': message(Buffer.from([0xff]), TEXT),
    fragments: Buffer.concat([encode({ opcode: TEXT, payload: euro.subarray(0, 1), fin: false }), encode({ opcode: CONTINUATION, payload: euro.subarray(1) })]),
    'a ping between fragments': Buffer.concat([encode({ opcode: TEXT, payload: euro, fin: false }), message('p', PING), encode({ opcode: CONTINUATION, payload: euro })]),
    'a message within a message': encode({ opcode: TEXT, payload: euro, fin: false }),
    'too many fragments': Buffer.concat(Array.from({ length: 6 }, (_, i) => encode({ opcode: i === 0 ? BINARY : CONTINUATION, payload: euro, fin: false }))),
    'a continuation of nothing': encode({ opcode: CONTINUATION, payload: euro }),
    'a ping': message('ping', PING),
    'a pong': message('', PONG),
    'a long ping': message('p'.repeat(126), PING),
    'a close': message(closePayload(1000, 'bye'), CLOSE),
    'a close without a code': message('', CLOSE),
    'a close with a code that may not be sent': message(closePayload(1005), CLOSE),
    'a reserved bit': encode({ opcode: TEXT, payload: euro, rsv: 4 }),
    'an unknown opcode': message('', 3),
    'a frame that is not masked': encode({ opcode: TEXT, payload: euro, mask: null })
  }
  for (const [name, frame] of Object.entries(frames)) {
    await t.test(name, async (t) => {
      const bytes = Buffer.concat([message('before'), frame, message('behind')])
      await isSame(t, [bytes])
      for (let i = 1; i < bytes.length; i++) await isSame(t, [bytes.subarray(0, i), bytes.subarray(i)], { atOnce: i % 2 === 0 })
      await isSame(t, [bytes, message('later')], { atOnce: true })
      await isSame(t, Array.from(bytes, (byte) => Buffer.from([byte])))
    })
  }
})

t.test('bytes after an error are ignored, even before the error is emitted', async (t) => {
  const wrong = encode({ opcode: TEXT, payload: Buffer.alloc(0), rsv: 4 }).subarray(0, 2)
  t.strictSame(await isSame(t, [wrong, message('late')], { atOnce: true }), [['error', 'WS_ERR_UNEXPECTED_RSV_1']])
})

t.test('a message over the limit gives the same events', async (t) => {
  const bytes = message('x'.repeat(101))
  t.strictSame(await isSame(t, [bytes], { maxPayload: 100 }), [['error', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH']])
  t.equal((await isSame(t, [bytes], { maxPayload: 101 })).length, 1)
  t.equal((await isSame(t, [bytes], { maxPayload: 0 })).length, 1)
})

for (const wrong of ['a close frame', 'a violation']) {
  t.test(`${wrong} is emitted at the end of the turn, before the end of the stream`, async (t) => {
    for (const [event, emit] of Object.entries({
      nothing: () => {},
      end: (stream: PassThrough) => stream.emit('end'),
      close: (stream: PassThrough) => stream.emit('close')
    })) {
      const receiver = new Receiver({ isServer: true })
      const raw = socketWith(receiver)
      const stream = new PassThrough()
      const events: string[] = []
      deferEnds(raw, stream)
      stream.on('end', () => events.push('end')).on('close', () => events.push('close'))
      receiver.on('conclude', () => events.push('told')).on('error', () => events.push('told'))
      receiver.on('message', () => Promise.resolve().then(() => events.push('answered')))
      receiver.write(Buffer.concat([message('a'), wrong === 'a close frame' ? encode({ opcode: CLOSE, payload: closePayload(1000) }) : encode({ opcode: 3, payload: Buffer.alloc(0) })]))
      if (wrong === 'a violation') await new Promise(process.nextTick)
      emit(stream)
      await nextTurn()
      const ended = wrong === 'a violation' ? ['answered', 'told', event] : ['told', event, 'answered']
      t.strictSame(events, event === 'nothing' ? ['answered', 'told'] : ended)
      receiver.write(message('late'))
      await nextTurn()
      t.equal(events.filter((event) => event === 'answered').length, 1)
    }
  })
}

t.test('on a destroyed stream, an end is emitted at once', async (t) => {
  const receiver = new Receiver({ isServer: true })
  const stream = new PassThrough().destroy()
  deferEnds(socketWith(receiver), stream)
  let isTold = false
  receiver.on('conclude', () => { isTold = true })
  receiver.write(encode({ opcode: CLOSE, payload: closePayload(1000) }))
  t.equal(isTold, true)
})

t.test('the receiver can be ended more than once, as ws does, and only the first end counts', async (t) => {
  let count = 0
  Receiver.prototype.end = function () {
    count++
    return Reflect.apply(Writable.prototype.end, this, [])
  }
  t.teardown(() => { delete Receiver.prototype.end })
  const receiver = new Receiver({ isServer: true })
  adapt(socketWith(receiver))
  const finished = once(receiver, 'finish')
  for (let i = 0; i < 3; i++) t.equal(receiver.end(), receiver)
  t.equal(count, 1)
  await finished
})

t.test('for another binaryType, the receiver of ws takes the messages', async (t) => {
  t.strictSame(await isSame(t, [message(Buffer.from('a'))], { binaryType: 'fragments' }), [['message', [Buffer.from('a')], true]])
})

t.test('an unknown receiver stays unchanged', async (t) => {
  const receiver = { write () {} }
  adapt({ _receiver: receiver })
  t.equal(Object.getPrototypeOf(receiver), Object.prototype)
  t.equal(readsWholeMessages({ _receiver: receiver }), false)
})

t.test('messages, fragments, control frames and violations give the same events, in reads of any length', { timeout: 60_000 }, async (t) => {
  const payload = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)), fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)), fc.constantFrom(126, 4096, 65_535, 65_536, MAX_PAYLOAD + 1).map((length) => Buffer.alloc(length, 'x')))
  const frame = fc.record({
    opcode: fc.constantFrom(TEXT, TEXT, TEXT, TEXT, BINARY, BINARY, CONTINUATION, PING, PONG, CLOSE),
    payload,
    fin: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    rsv: fc.oneof({ weight: 30, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(4) })
  }).map((frame) => encode(frame.opcode === CLOSE ? { ...frame, payload: closePayload(1000) } : frame))
  const streams = fc.tuple(fc.boolean(), fc.array(frame, { minLength: 1, maxLength: 12 }), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }))
  await check(t, streams, async ([atOnce, frames, cuts]) => {
    const bytes = Buffer.concat(frames)
    const ends = [...cuts.map((cut) => Math.floor(cut * bytes.length)), bytes.length].sort((a, b) => a - b)
    const reads = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)).filter((read) => read.length > 0)
    const [theirs, ...ours] = await Promise.all((['ws', 'recipient', 'events'] as const).map(async (kind) => JSON.stringify(await told(reads, kind, { atOnce }))))
    for (const events of ours) if (events !== theirs) throw new Error(`${events} is not ${theirs}`.slice(0, 2000))
  }, { standard: 2_000, limit: 5_000 })
})
