import t from 'tap'
import { addressOf } from '../../lib/asyncapi/address'

const CASES: [url: string, address: string, parameters: string[], isExact: boolean][] = [
  ['/', '/', [], true],
  ['/chat/:room', '/chat/{room}', ['room'], true],
  ['/near/:lat-:lng/radius/:r', '/near/{lat}-{lng}/radius/{r}', ['lat', 'lng', 'r'], true],
  ['/file/:name.png', '/file/{name}.png', ['name'], true],
  ['/a::b/:c', '/a:b/{c}', ['c'], true],
  ['/{literal}/:a', '/%7Bliteral%7D/{a}', ['a'], true],
  ['/plain(text)', '/plain(text)', [], true],
  ['/posts/:id?', '/posts/{id}', ['id'], false],
  ['/at/:hour(^\\d{2})h:minute(^\\d{2})m', '/at/{hour}h{minute}m', ['hour', 'minute'], false],
  ['/nested/:a((?:x|y)+)/:b', '/nested/{a}/{b}', ['a', 'b'], false]
]

for (const [url, address, names, isExact] of CASES) {
  t.test(`${url} has the address ${address}`, async (t) => {
    t.same(addressOf(url), { address, parameters: names.map((name) => ({ name, fastifyName: name })), isExact })
  })
}

t.test('a wildcard becomes a parameter, which Fastify calls *', async (t) => {
  t.same(addressOf('/files/*'), { address: '/files/{wildcard}', parameters: [{ name: 'wildcard', fastifyName: '*' }], isExact: false })
})
