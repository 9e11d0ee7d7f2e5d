import t from 'tap'
import { beginningIn, subscribeOptionsIn } from '../../lib/pubsub/beginning'
import { isSame, positionOf, readPosition } from '../../lib/pubsub/position'

const RETENTION = { size: 1, ttl: 1, maxBytes: 1 }

t.test('a position is read as it was written', async (t) => {
  for (const position of [{ place: '1731000000000-0', mark: 'AbCdEf-_' }, { place: '5', mark: '' }, { place: 'a~b', mark: 'c' }]) {
    t.strictSame(readPosition(positionOf(position)), position)
  }
})

t.test('any 0 to 64 printable ASCII characters have the form of a position', async (t) => {
  for (const good of ['', 'a', ' ', '~', '~~', '!'.repeat(64)]) t.not(readPosition(good), null, good)
  for (const bad of ['!'.repeat(65), 'é', 'a\n', '\u007f', '\0', null, undefined, 5, ['a'], {}]) t.equal(readPosition(bad), null)
  t.strictSame(readPosition('no separator'), { place: 'no separator', mark: '' })
})

t.test('two positions are the same if both parts are', async (t) => {
  const position = { place: '1', mark: 'a' }
  t.equal(isSame(position, { ...position }), true)
  t.equal(isSame(position, { place: '2', mark: 'a' }), false)
  t.equal(isSame(position, { place: '1', mark: 'b' }), false)
})

t.test('options: what is given, and nothing else', async (t) => {
  t.strictSame(subscribeOptionsIn('room', RETENTION, undefined), {})
  t.strictSame(subscribeOptionsIn('room', RETENTION, { after: '1~a' }), { after: { place: '1', mark: 'a' } })
  t.strictSame(subscribeOptionsIn('room', RETENTION, { last: 5, positions: true }), { last: 5, positions: true })
  t.strictSame(subscribeOptionsIn('room', RETENTION, { after: undefined, last: undefined, positions: false }), { positions: false })
  t.strictSame(subscribeOptionsIn('room', null, { positions: false, after: undefined }), { positions: false })
  t.strictSame(beginningIn('history', {}), {})
  t.strictSame(beginningIn('history', undefined), {})
})

t.test('on a topic without history an option is an error that says what to do', async (t) => {
  for (const options of [{ after: '1~a' }, { last: 1 }, { positions: true }]) {
    t.throws(() => subscribeOptionsIn('room', null, options), { name: 'WebSocketTopicError', closeCode: 1008, message: 'the topic \'room\' has no history: give it one by the option history of the plugin' })
  }
})

t.test('wrong options are errors that name the option', async (t) => {
  for (const options of [5, 'x', null, []]) t.throws(() => subscribeOptionsIn('room', RETENTION, options), { name: 'WebSocketOptionError', message: /the options of subscribe are/ })
  for (const positions of [1, 'yes', null]) t.throws(() => subscribeOptionsIn('room', RETENTION, { positions }), { name: 'WebSocketOptionError', message: /positions is/ })
  for (const last of [0, -1, 1.5, NaN, '1', null]) t.throws(() => beginningIn('history', { last }), { name: 'WebSocketOptionError', message: /last is/ })
  t.throws(() => beginningIn('history', { after: 'x', last: 1 }), { name: 'WebSocketTopicError', closeCode: 1008, message: 'history takes after or last, not both' })
  t.throws(() => beginningIn('history', { after: 5 }), { name: 'WebSocketTopicError', closeCode: 1008, message: /the position 5 is none/ })
})
