// A page in a program that has no types but those of a browser.
import { connect, reconnect, type ReconnectStatus, type TypedRoute, type WebSocketClient } from 'fastify-async-websocket/client'

type Chat = TypedRoute<{ text: string }, { from: string }>

const ws: WebSocketClient<string> = await connect('/news', { signal: AbortSignal.timeout(1_000) })
document.body.append(await ws.receive(), new Blob([await ws.receiveBytes()]).type)

const onStatus = (status: ReconnectStatus): void => { document.title = status }
for await (const client of reconnect<Chat>(() => new URL('/chat', location.href), { valueType: 'json', onStatus })) {
  await client.send({ text: 'hi' })
  // @ts-expect-error: the server does not know this message
  await client.send({ txt: 'hi' })
  for await (const { from } of client) document.body.append(from)
}
