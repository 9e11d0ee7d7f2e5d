import { bytes, plain, take } from './bytes'
import type { ValueType } from '../../types/value'
import type { Tests } from './assertions'
import type { Open } from './channel'
import type { Message } from './other-end'

const BYTES = Uint8Array.of(0, 1, 254, 255)

const DECODE_ERROR = { name: 'WebSocketDecodeError', closeCode: 1003 }
const ENCODE_ERROR = { name: 'WebSocketEncodeError' }
const EXPECT_ERROR = { name: 'WebSocketExpectError', closeCode: 1008 }
const OPTION_ERROR = { name: 'WebSocketOptionError' }
const TIMEOUT_ERROR = { name: 'WebSocketTimeoutError', closeCode: 1008 }

/** For each type, values and the frames that carry them. */
const SENT: [type: ValueType, value: unknown, frame: Message][] = [
  ['text', '', ''],
  ['text', 'grüße', 'grüße'],
  ['bytes', BYTES, BYTES],
  ['bytes', BYTES.buffer, BYTES],
  ['bytes', new DataView(BYTES.buffer, 1, 2), BYTES.subarray(1, 3)],
  ['json', { a: [1, null] }, '{"a":[1,null]}'],
  ['json', 'text', '"text"'],
  ['integer', -12, '-12'],
  ['number', 0.5, '0.5'],
  ['number', 1e21, '1000000000000000000000'],
  ['boolean', true, 'true'],
  ['boolean', false, 'false'],
  ['any', 'text', 'text'],
  ['any', BYTES, BYTES],
  ['any', true, 'true'],
  ['any', 1.5, '1.5'],
  ['any', { a: 1 }, '{"a":1}'],
  ['any', null, 'null']
]

/** For each type, values that do not fit it. */
const MISFITS: [type: ValueType, value: unknown][] = [
  ['text', 1],
  ['text', BYTES],
  ['bytes', 'text'],
  ['json', undefined],
  ['json', 1n],
  ['integer', 0.5],
  ['integer', 2 ** 53],
  ['number', Infinity],
  ['number', '1'],
  ['boolean', 1],
  ['any', undefined],
  ['any', NaN]
]

/** For each type, frames and the values that they decode to. */
const RECEIVED: [type: ValueType, frame: Message, value: unknown][] = [
  ['text', 'grüße', 'grüße'],
  ['bytes', BYTES, BYTES],
  ['bytes', 'text', bytes('text')],
  ['json', '{"a":[1,null]}', { a: [1, null] }],
  ['json', bytes('{"a":1}'), { a: 1 }],
  ['integer', '-12', -12],
  ['number', '-1.5e3', -1500],
  ['boolean', 'true', true],
  ['boolean', 'True', true],
  ['boolean', '2', true],
  ['boolean', 'false', false],
  ['boolean', 'False', false],
  ['boolean', '0', false],
  ['any', 'text', 'text'],
  ['any', BYTES, BYTES]
]

/** For each type, frames that do not decode to it. */
const UNDECODABLE: [type: ValueType, frame: Message][] = [
  ['text', BYTES],
  ['json', '{'],
  ['json', BYTES],
  ['integer', '1.5'],
  ['integer', '9007199254740993'],
  ['integer', BYTES],
  ['number', '1 apple'],
  ['number', '1e999'],
  ['boolean', 'yes'],
  ['boolean', BYTES]
]

export function messagesContract (t: Tests, open: Open): void {
  t.test('send encodes by type', async (t) => {
    const { channel, peer } = await open(t)
    for (const [type, value, frame] of SENT) {
      await channel.send(value as never, { type })
      t.same(await take(peer, 1), [plain(frame)], `${type}: ${String(frame)}`)
    }
  })

  t.test('send without a type encodes by the value', async (t) => {
    const { channel, peer } = await open(t)
    for (const value of ['text', BYTES, true, 1.5, { a: 1 }, [1]]) await channel.send(value)
    t.same(await take(peer, 6), ['text', plain(BYTES), 'true', '1.5', '{"a":1}', '[1]'])
  })

  t.test('sendText, sendBytes and sendJson set the kind of frame', async (t) => {
    const { channel, peer } = await open(t)
    await channel.sendText('{}')
    await channel.sendBytes(BYTES)
    await channel.sendJson({ a: 1 })
    await channel.sendJson({ a: 1 }, { mode: 'text' })
    await channel.sendJson({ a: 1 }, { mode: 'bytes' })
    t.same(await take(peer, 5), ['{}', plain(BYTES), '{"a":1}', '{"a":1}', plain(bytes('{"a":1}'))])
  })

  t.test('a value that does not fit its type is not sent', async (t) => {
    const { channel, peer } = await open(t)
    for (const [type, value] of MISFITS) {
      const error = await channel.send(value as never, { type }).catch((error) => error)
      t.match(error, ENCODE_ERROR, `${type}: ${String(value)}`)
      t.ok(error instanceof TypeError)
    }
    await t.rejects(channel.sendText(1 as never), ENCODE_ERROR)
    await t.rejects(channel.sendBytes('text' as never), ENCODE_ERROR)
    await t.rejects(channel.sendJson(undefined), ENCODE_ERROR)
    await channel.send('next')
    t.equal(await peer.next(), 'next')
  })

  t.test('an unknown type or mode rejects, and no message is sent or taken', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    await t.rejects(channel.send('text', { type: 'string' as never }), OPTION_ERROR)
    await t.rejects(channel.sendJson({}, { mode: 'binary' as never }), OPTION_ERROR)
    await t.rejects(channel.receive('string' as never), OPTION_ERROR)
    await t.rejects(channel.receive({ type: 'string' as never }), OPTION_ERROR)
    await t.rejects(channel.receiveJson({ mode: 'binary' as never }), OPTION_ERROR)
    await t.rejects(channel.pair('text', { type: 'string' as never }), OPTION_ERROR)
    await t.rejects(channel.messages('string' as never).next(), OPTION_ERROR)
    await channel.send('next')
    t.equal(await peer.next(), 'next')
    t.equal(await channel.receive('integer'), 1)
  })

  t.test('receive decodes by type', async (t) => {
    const { channel, peer } = await open(t)
    for (const [type, frame, value] of RECEIVED) {
      peer.send(frame)
      peer.send(frame)
      t.same(plain(await channel.receive(type)), plain(value), `${type}: ${String(frame)}`)
      t.same(plain(await channel.receive({ type })), plain(value))
    }
  })

  t.test('a text frame is text, a binary frame is bytes', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('text')
    peer.send('text')
    peer.send(BYTES)
    t.equal(await channel.receive(), 'text')
    t.ok(await channel.receive('bytes') instanceof Uint8Array)
    t.ok(await channel.receive('any') instanceof Uint8Array)
  })

  t.test('receiveText, receiveBytes and receiveJson decode as their names say', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('text')
    peer.send('text')
    peer.send('{"a":1}')
    peer.send('{"a":2}')
    peer.send(bytes('{"a":3}'))
    t.equal(await channel.receiveText(), 'text')
    t.same(plain(await channel.receiveBytes()), plain(bytes('text')))
    t.same(await channel.receiveJson(), { a: 1 })
    t.same(await channel.receiveJson({ mode: 'text' }), { a: 2 })
    t.same(await channel.receiveJson({ mode: 'bytes' }), { a: 3 })
  })

  t.test('JSON in the wrong kind of frame for the mode rejects', async (t) => {
    const { channel, peer } = await open(t)
    peer.send(bytes('{}'))
    peer.send('{}')
    await t.rejects(channel.receiveJson({ mode: 'text' }), DECODE_ERROR)
    await t.rejects(channel.receiveJson({ mode: 'bytes' }), DECODE_ERROR)
  })

  t.test('a message that does not decode is taken, and the channel goes on', async (t) => {
    const { channel, peer } = await open(t)
    for (const [type, frame] of UNDECODABLE) {
      const waiting = channel.receive(type)
      peer.send(frame)
      await t.rejects(waiting, DECODE_ERROR, `${type}: ${String(frame)}`)
      peer.send(frame)
      peer.send('next')
      await t.rejects(channel.receive(type), DECODE_ERROR)
      t.equal(await channel.receive(), 'next')
    }
    t.equal(channel.state, 'open')
  })

  t.test('valueType sets the type to receive and to send', async (t) => {
    const { channel, peer } = await open(t, { valueType: 'json' })
    peer.send('"text"')
    t.equal(await channel.receive(), 'text')
    await channel.send('text')
    t.equal(await peer.next(), '"text"')
  })

  t.test('receiveType and sendType set one side each', async (t) => {
    const { channel, peer } = await open(t, { receiveType: 'integer', sendType: 'bytes' })
    peer.send('1')
    t.equal(await channel.receive(), 1)
    await channel.send(BYTES)
    t.same(await take(peer, 1), [plain(BYTES)])
    await t.rejects(channel.send('text'), ENCODE_ERROR)
  })

  t.test('messages are received in the order of their arrival', async (t) => {
    const { channel, peer } = await open(t)
    for (let n = 0; n < 1000; n++) peer.send(String(n))
    for (let n = 0; n < 1000; n++) {
      if (await channel.receive('integer') !== n) t.fail(`message ${n} is out of order`)
    }
  })

  t.test('messages are sent in the order of the calls', async (t) => {
    const { channel, peer } = await open(t)
    for (let n = 0; n < 1000; n++) channel.send(n)
    for (let n = 0; n < 1000; n++) {
      if (await peer.next() !== String(n)) t.fail(`message ${n} is out of order`)
    }
  })

  t.test('two receives at once are served in the order of the calls', async (t) => {
    const { channel, peer } = await open(t)
    const both = [channel.receive('integer'), channel.receive('text')]
    peer.send('1')
    peer.send('2')
    t.same(await Promise.all(both), [1, '2'])
    peer.send('3')
    peer.send('4')
    t.same(await Promise.all([channel.receive('integer'), channel.receive('text')]), [3, '4'])
  })

  t.test('a message that does not decode rejects only the receive that gets it', async (t) => {
    const { channel, peer } = await open(t)
    const both = [channel.receive('integer'), channel.receive('integer')]
    peer.send('one')
    peer.send('2')
    t.match(await Promise.allSettled(both), [{ reason: { name: 'WebSocketDecodeError' } }, { value: 2 }])
  })

  t.test('only one receive gets a message, decoded to the type of that receive', async (t) => {
    const { channel, peer } = await open(t)
    const object = channel.receive('json')
    const text = channel.receive({ type: 'text', timeout: 20 })
    peer.send('{"a":1}')
    t.same(await object, { a: 1 })
    await t.rejects(text, TIMEOUT_ERROR)
  })

  t.test('a receive that has timed out takes no message', async (t) => {
    const { channel, peer } = await open(t)
    await t.rejects(channel.receive({ timeout: 1 }), TIMEOUT_ERROR)
    peer.send('1')
    t.equal(await channel.receive(), '1')
  })

  t.test('when the first of two receives times out, the second gets the message', async (t) => {
    const { channel, peer } = await open(t)
    const first = channel.receive({ timeout: 1 })
    const second = channel.receive()
    await t.rejects(first, TIMEOUT_ERROR)
    peer.send('1')
    t.equal(await second, '1')
  })

  t.test('timeouts apply to receiveText, receiveBytes, receiveJson, pair and expect', async (t) => {
    const { channel } = await open(t)
    await t.rejects(channel.receiveText({ timeout: 1 }), TIMEOUT_ERROR)
    await t.rejects(channel.receiveBytes({ timeout: 1 }), TIMEOUT_ERROR)
    await t.rejects(channel.receiveJson({ timeout: 1 }), TIMEOUT_ERROR)
    await t.rejects(channel.pair('text', { timeout: 1 }), TIMEOUT_ERROR)
    await t.rejects(channel.expect('text', { timeout: 1 }), TIMEOUT_ERROR)
  })

  t.test('a message within the timeout is received', async (t) => {
    const { channel, peer } = await open(t)
    const received = channel.receive({ timeout: 5_000, signal: new AbortController().signal })
    peer.send('1')
    t.equal(await received, '1')
  })

  t.test('an aborted receive rejects with the reason and takes no message', async (t) => {
    const { channel, peer } = await open(t)
    const controller = new AbortController()
    const reason = new Error('enough')
    const aborted = channel.receive({ signal: controller.signal })
    const second = channel.receive()
    controller.abort(reason)
    t.equal(await aborted.catch((error) => error), reason)
    peer.send('1')
    t.equal(await second, '1')
  })

  t.test('a receive with an aborted signal does not take the message that waits', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.send('2')
    t.equal(await channel.receive(), '1')
    const signal = AbortSignal.abort()
    t.equal(await channel.receive({ signal }).catch((error) => error), signal.reason)
    t.equal(await channel.receive(), '2')
  })

  t.test('an invalid timeout or signal rejects', async (t) => {
    const { channel, peer } = await open(t)
    await t.rejects(channel.receive({ timeout: -1 }), OPTION_ERROR)
    await t.rejects(channel.receive({ signal: {} as never }), OPTION_ERROR)
    await t.rejects(channel.receiveJson({ timeout: NaN }), OPTION_ERROR)
    await t.rejects(channel.pair('not sent', { timeout: -1 }), OPTION_ERROR)
    await t.rejects(channel.expect('text', { timeout: -1 }), OPTION_ERROR)
    await channel.send('next')
    t.equal(await peer.next(), 'next')
  })

  t.test('options that are no object reject, and no message is sent or taken', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    const wrong: any[] = [null, 5, true]
    const verbs = wrong.flatMap((options) => [
      channel.send('text', options), channel.sendJson({}, options), channel.receive(options), channel.receiveText(options), channel.receiveBytes(options), channel.receiveJson(options),
      channel.pair('text', options), channel.expect('1', options)
    ])
    for (const verb of verbs) await t.rejects(verb, { ...OPTION_ERROR, message: /^the options of [a-zA-Z]+ are .*: use an object/ })
    t.equal(await channel.receive(), '1')
    await channel.send('next')
    t.equal(await peer.next(), 'next')
  })

  t.test('pair sends, then receives', async (t) => {
    const { channel, peer } = await open(t)
    const answer = async (): Promise<void> => peer.send(`${await peer.next()}!`)
    t.same(await Promise.all([channel.pair('hello'), answer()]), ['hello!', undefined])
    t.same(await Promise.all([channel.pair({ a: 1 }), answer()]), ['{"a":1}!', undefined])
    const [pair] = await Promise.all([channel.pair('1', { type: 'bytes' }), answer()])
    t.same(plain(pair), plain(bytes('1!')))
  })

  t.test('pair with receiveFirst receives, then sends', async (t) => {
    const { channel, peer } = await open(t)
    const pair = channel.pair('answer', { receiveFirst: true, type: 'integer' })
    peer.send('1')
    t.equal(await pair, 1)
    t.equal(await peer.next(), 'answer')
  })

  t.test('pair with receiveFirst sends no message when the received message does not decode', async (t) => {
    const { channel, peer } = await open(t)
    const pair = channel.pair('answer', { receiveFirst: true, type: 'integer' })
    peer.send('one')
    await t.rejects(pair, DECODE_ERROR)
    await channel.send('next')
    t.equal(await peer.next(), 'next')
  })

  t.test('pair takes no message when it cannot send', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    await t.rejects(channel.pair(undefined), ENCODE_ERROR)
    t.equal(await channel.receive(), '1')
  })

  t.test('expect discards the message that it expects', async (t) => {
    const { channel, peer } = await open(t)
    const expected: [frame: Message, message: unknown][] = [
      ['text', 'text'],
      [BYTES, BYTES],
      [BYTES, new Uint8Array(BYTES)],
      [BYTES, BYTES.buffer],
      [BYTES.subarray(1), new DataView(BYTES.buffer, 1)],
      ['true', true],
      ['0', false],
      ['1.50', 1.5],
      ['{"a":[1,{"b":null}]}', { a: [1, { b: null }] }],
      ['[1]', [1]],
      ['null', null]
    ]
    for (const [frame] of expected) peer.send(frame)
    peer.send('next')
    for (const [, message] of expected) t.equal(await channel.expect(message), undefined)
    t.equal(await channel.receive(), 'next')
  })

  t.test('expect rejects when another message comes', async (t) => {
    const { channel, peer } = await open(t)
    const others: [frame: Message, expected: unknown, received: unknown][] = [
      ['text', 'txet', 'text'],
      [BYTES, BYTES.subarray(1), BYTES],
      [BYTES, new Uint16Array(2), BYTES],
      ['true', false, true],
      ['1', 2, 1],
      ['{"a":1}', { a: 1, b: 2 }, { a: 1 }]
    ]
    for (const [frame, expected, received] of others) {
      peer.send(frame)
      const error = await channel.expect(expected).catch((error) => error)
      t.match(error, EXPECT_ERROR)
      t.equal(error.expected, expected)
      t.same(plain(error.received), plain(received))
    }
    peer.send('next')
    t.equal(await channel.receive(), 'next', 'the channel goes on')
  })

  t.test('expect rejects when a message of another type comes', async (t) => {
    const { channel, peer } = await open(t)
    const others: [frame: Message, expected: unknown][] = [[BYTES, 'text'], ['text', 1], ['text', true], ['text', { a: 1 }], [BYTES, { a: 1 }]]
    for (const [frame, expected] of others) {
      peer.send(frame)
      const error = await channel.expect(expected).catch((error) => error)
      t.match(error, EXPECT_ERROR)
      t.same(plain(error.received), plain(frame))
      t.match(error.cause, DECODE_ERROR)
    }
  })

  t.test('iteration gives one message after the other', async (t) => {
    const { channel, peer } = await open(t)
    for (const message of ['1', '2', '3']) peer.send(message)
    const messages = []
    for await (const message of channel) {
      messages.push(message)
      if (messages.length === 2) break
    }
    t.same(messages, ['1', '2'])
    t.equal(await channel.receive(), '3', 'leaving the loop leaves the channel as it is')
  })

  t.test('messages(type) iterates over messages of the type', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.send('2')
    const messages = channel.messages('integer')
    t.equal(messages[Symbol.asyncIterator](), messages)
    t.same(await messages.next(), { done: false, value: 1 })
    t.same(await messages.next(), { done: false, value: 2 })
  })

  t.test('messages({ type, timeout, signal }) waits up to timeout for each message, and takes no message after it', async (t) => {
    const { channel, peer } = await open(t)
    const messages = channel.messages({ type: 'integer', timeout: 50 })
    for (const [text, value] of [['1', 1], ['2', 2]] as const) {
      await t.rejects(messages.next(), { name: 'WebSocketTimeoutError', message: 'no message within 50 ms' })
      peer.send(text)
      t.same(await channel.messages({ type: 'integer', timeout: 10_000 }).next(), { done: false, value })
    }
    const controller = new AbortController()
    const next = channel.messages({ signal: controller.signal }).next()
    controller.abort(new Error('enough'))
    await t.rejects(next, { name: 'Error', message: 'enough' })
    peer.send('3')
    t.same(await channel.messages({}).next(), { done: false, value: '3' })
    peer.close(1000)
    const all: unknown[] = []
    for await (const message of channel.messages({ timeout: 10_000 })) all.push(message)
    t.same(all, [])
  })

  t.test('send takes a type instead of options', async (t) => {
    const { channel, peer } = await open(t)
    await channel.send('text', 'json')
    await channel.send(5, 'integer')
    t.same(await take(peer, 2), ['"text"', '5'])
    await t.rejects(channel.send(5 as never, 'text'), ENCODE_ERROR)
    await t.rejects(channel.send(5, 'yaml' as never), OPTION_ERROR)
  })

  t.test('a message that does not decode ends the loop, and the channel goes on', async (t) => {
    const { channel, peer } = await open(t)
    for (const message of ['1', 'two', '3']) peer.send(message)
    const messages: number[] = []
    await t.rejects(async () => { for await (const message of channel.messages('integer')) messages.push(message) }, DECODE_ERROR)
    t.same(messages, [1])
    t.equal(await channel.receive('integer'), 3)
  })
}
