// The types of clients follow from their routes: right messages compile, wrong ones do not.
import Fastify from 'fastify'
import websocket, { connect, type DefineWebSocket, type TypedRoute } from 'fastify-async-websocket'
import * as page from 'fastify-async-websocket/client'
import { box, chat, zod } from './chat.mjs'

const app = Fastify()
await app.register(websocket)
app.route(chat).route(box).route(zod)
const define: DefineWebSocket = websocket.defineWebSocket
app.route(define({ url: '/x', handler: async (ws) => { await ws.accept() } }))

for (const ws of [
  await page.connect<typeof chat>('/chat/lobby', { valueType: 'json' }),
  await page.connect<typeof box>('/box/lobby', { valueType: 'json' }),
  await connect<typeof chat>('ws://127.0.0.1/chat/lobby', { valueType: 'json' }),
  await app.injectWebSocket<typeof box>('/box/lobby', { valueType: 'json' })
]) {
  await ws.send({ text: 'hi' })
  // @ts-expect-error: the server does not know this message
  await ws.send({ txt: 'hi' })
  // @ts-expect-error: the text is a string
  await ws.pair({ text: 1 })
  for await (const { from, text } of ws) console.log(from.length, text.length)
  // @ts-expect-error: the server sends no `to`
  for await (const { to } of ws) console.log(to)
}

for await (const ws of page.reconnect<typeof zod>(async () => '/zod', { valueType: 'json', onStatus: (status) => { console.log(status) } })) {
  await ws.send({})
  // @ts-expect-error: the text is a string
  await ws.send({ text: 1 })
  for await (const { from } of ws) console.log(from.length)
  // @ts-expect-error: the server sends no `to`
  for await (const { to } of ws) console.log(to)
}

for await (const ws of page.reconnect<TypedRoute<string, { at: Date }>>('/news', { receiveType: 'json' })) {
  await ws.send('hi')
  // @ts-expect-error: the server receives text
  await ws.send({ text: 'hi' })
  const { at }: { at: string } = await ws.receive()
  console.log(at)
}
