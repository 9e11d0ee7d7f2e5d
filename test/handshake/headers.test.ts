import t from 'tap'
import { mergeHeaders, refusalHeaders, repliedHeaders, switchingHeaders } from '../../lib/handshake/headers'

/** Headers that no response to a handshake can have. */
const OF_THE_HANDSHAKE = ['Connection', 'upgrade', 'Keep-Alive', 'trailer', 'Transfer-Encoding', 'content-length', 'Sec-WebSocket-Protocol', 'sec-websocket-accept']

/** Headers that describe a body. */
const OF_A_BODY = ['content-type', 'Content-Encoding', 'content-language', 'content-range']

const OF_POLICY = ['content-security-policy', 'Content-Security-Policy-Report-Only']

t.test('undefined headers are no pairs', async (t) => {
  t.same(refusalHeaders(undefined), [])
  t.same(switchingHeaders(undefined), [])
})

t.test('a record, pairs, a Map and a Headers become one pair per value', async (t) => {
  t.same(switchingHeaders({ a: '1', b: [2, '3'], c: undefined }), [['a', '1'], ['b', '2'], ['b', '3']])
  t.same(switchingHeaders([['a', '1'], [Buffer.from('b'), Buffer.from('\xe9', 'latin1')]]), [['a', '1'], ['b', '\xe9']])
  t.same(switchingHeaders(new Map([['a', '1']])), [['a', '1']])
  t.same(switchingHeaders(new Headers({ a: '1' })), [['a', '1']])
})

t.test('headers that belong to the handshake are refused for every response', async (t) => {
  for (const name of OF_THE_HANDSHAKE) {
    const refused = { name: 'WebSocketHandshakeError', message: `the header '${name}' belongs to the handshake and cannot be set` }
    t.throws(() => switchingHeaders({ [name]: 'x' }), refused, name)
    t.throws(() => refusalHeaders({ [name]: 'x' }), refused, name)
  }
})

t.test('headers that describe a body are taken for a refusal, and refused for a 101', async (t) => {
  for (const name of OF_A_BODY) {
    t.throws(() => switchingHeaders({ [name]: 'x' }), { name: 'WebSocketHandshakeError' }, name)
    t.same(refusalHeaders({ [name]: 'x' }), [[name, 'x']])
  }
  for (const name of OF_POLICY) t.same(switchingHeaders({ [name]: 'x' }), [[name, 'x']])
})

t.test('an invalid name or value is an error with its cause', async (t) => {
  for (const headers of [{ 'a b': '1' }, { a: '1\r\nb: 2' }, { a: 'ü€' }]) {
    const error = t.throws(() => switchingHeaders(headers), { name: 'WebSocketHandshakeError', message: /^invalid header / }) as unknown as Error
    t.type(error.cause, TypeError)
    t.throws(() => repliedHeaders(headers), { name: 'WebSocketHandshakeError', message: /^invalid header / })
  }
})

t.test('headers of another type are an option error that says what to use', async (t) => {
  const option = { name: 'WebSocketOptionError' }
  for (const headers of [null, 5, 'a: b', true, () => {}] as any[]) {
    t.throws(() => switchingHeaders(headers), { ...option, message: /^headers are .*: use an object, or pairs of names and values$/ })
    t.throws(() => refusalHeaders(headers), option)
  }
  for (const headers of [['a', 'b'], new Set([1]), [null]] as any[]) t.throws(() => switchingHeaders(headers), { ...option, message: /^headers contain .*: use pairs of a name and a value$/ })
  for (const value of [null, true, {}, 5n, Symbol('s'), () => {}, ['a', null]] as any[]) {
    t.throws(() => switchingHeaders({ a: value }), { ...option, message: /^the header 'a' is .*: use a string, a number or bytes$/ })
  }
  for (const name of [undefined, null, 5, {}, ['a']] as any[]) t.throws(() => switchingHeaders([[name, 'b']]), { ...option, message: /^the name of a header is .*: use a string or bytes$/ })
})

t.test('the headers of a reply may have every value that Node takes', async (t) => {
  t.same(repliedHeaders({ a: true, b: [1, '2'], c: null }), [['a', 'true'], ['b', '1'], ['b', '2'], ['c', 'null']])
})

t.test('the headers of a reply that a 101 may not have are left out', async (t) => {
  const names = [...OF_THE_HANDSHAKE, ...OF_A_BODY, ...OF_POLICY, 'x-own', 'date']
  t.same(repliedHeaders(Object.fromEntries(names.map((name) => [name, 'x']))), [...OF_POLICY, 'x-own', 'date'].map((name) => [name, 'x']))
})

t.test('overrides replace headers of the same name, except cookies, which are all kept', async (t) => {
  const others: [string, string][] = [['X-One', 'theirs'], ['x-two', 'theirs'], ['Set-Cookie', 'a=1']]
  t.same(mergeHeaders(others, [['x-one', 'own'], ['set-cookie', 'b=2']]), [['x-two', 'theirs'], ['Set-Cookie', 'a=1'], ['x-one', 'own'], ['set-cookie', 'b=2']])
  t.same(mergeHeaders([], [['a', '1']]), [['a', '1']])
})
