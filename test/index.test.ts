import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import websocket from '../lib/index'
import * as errors from '../lib/base/errors'
import { readTable } from './helpers/docs'

const read = (name: string): string => readFileSync(join(__dirname, '..', 'lib', name), 'utf8')
const typesIn = (source: string): string[] => [...source.matchAll(/export type (\w+)/g)].map((match) => match[1]).sort()

t.test('the CommonJS export is the plugin, with all other exports as properties', async (t) => {
  t.type(websocket, 'function')
  t.equal(websocket.default, websocket)
  t.equal(websocket.websocket, websocket)
  t.type(websocket.connect, 'function')
  t.type(websocket.defineWebSocket, 'function')
  t.equal(websocket.closeCodes.NORMAL_CLOSURE, 1000)
  for (const [name, value] of Object.entries(errors)) t.equal(websocket[name as keyof typeof errors], value, name)
})

t.test('the ES module exports the same names', async (t) => {
  const module = read('index.mts')
  const values = module.slice(module.indexOf('export const {'), module.indexOf('} = websocket')).match(/\w+/g)!.slice(2)
  const fromFastifyPlugin = 'fastifyAsyncWebsocket'
  t.same([...values, 'default', 'websocket', fromFastifyPlugin].sort(), Object.keys(websocket).sort())
  t.same(typesIn(module), typesIn(read('index.ts')))
})

t.test('every error class is exported as a type, too', async (t) => {
  for (const name of Object.keys(errors)) t.ok(typesIn(read('index.ts')).includes(name), name)
})

t.test('docs/typescript.md names every type', async (t) => {
  const table = readTable('docs/typescript.md', '## Names', 'of')
  const named = table.flatMap(({ types }) => [...types.matchAll(/`(\w+)`/g)].map((match) => match[1])).filter((name) => /^[A-Z]/.test(name))
  t.same([...named, ...Object.keys(errors)].sort(), typesIn(read('index.ts')))
})
