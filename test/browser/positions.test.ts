import t from 'tap'
import { copyOf, keeper } from '../../lib/browser/positions'
import { Codec } from '../../lib/codec/codec'
import type { Message } from '../../lib/codec/decode'
import type { ValueType } from '../../types/message'

/** The positions after messages that were received as `type`. */
function seen (type: ValueType, ...messages: Message[]): Record<string, string> {
  const positions = copyOf({})
  const { decode } = new Codec({ receiveType: type, validate: keeper(positions) })
  for (const message of messages) decode(message)
  return { ...positions }
}

const told = (topic: unknown, position: unknown, data?: unknown): string => JSON.stringify({ topic, position, data })

t.test('the last position of each topic counts, with data and without', async (t) => {
  for (const type of ['json', 'text', 'any'] as const) {
    t.strictSame(seen(type, told('a', '1', 'hi'), told('b', '1'), told('a', '2'), told('b', '3', { x: 1 })), { a: '2', b: '3' }, type)
  }
})

t.test('JSON in a binary message counts when it is received as JSON', async (t) => {
  const bytes = Buffer.from(told('a', '1'))
  t.strictSame(seen('json', bytes), { a: '1' })
  t.strictSame(seen('any', bytes), {})
  t.strictSame(seen('bytes', bytes, told('a', '1')), {})
})

t.test('other messages do not count', async (t) => {
  const others = [told('a', 1), told(1, '1'), told('a', undefined), told(undefined, '1'), 'null', '1', '[]', '"a"', JSON.stringify(told('a', '1')), JSON.stringify([told('a', '1')])]
  t.strictSame(seen('json', ...others), {})
  t.strictSame(seen('text', ...others, '', 'hello', '{', 'undefined'), {})
  t.strictSame(seen('integer', '1'), {})
})

t.test('JSON is parsed once', async (t) => {
  const { parse } = JSON
  t.teardown(() => { JSON.parse = parse })
  let parsed = 0
  JSON.parse = (text: string) => {
    parsed++
    return parse(text)
  }
  t.strictSame(seen('json', told('a', '1', 'hi')), { a: '1' })
  t.equal(parsed, 1)
})

t.test('a topic may have the name of a member of Object', async (t) => {
  const positions = copyOf({})
  const { decode } = new Codec({ validate: keeper(positions) })
  t.equal(positions.constructor, undefined)
  for (const topic of ['__proto__', 'constructor', 'toString']) decode(told(topic, '1'))
  t.strictSame(Object.entries(positions), [['__proto__', '1'], ['constructor', '1'], ['toString', '1']])
  t.equal(JSON.stringify(copyOf(positions)), '{"__proto__":"1","constructor":"1","toString":"1"}')
})

t.test('a change of a copy changes the copy alone', async (t) => {
  const positions = copyOf({ a: '1' })
  const copy = copyOf(positions)
  copy.a = '2'
  t.strictSame([{ ...positions }, { ...copy }], [{ a: '1' }, { a: '2' }])
})
