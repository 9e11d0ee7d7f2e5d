// What a page does with the client, on its own and in a bundle.
import { closeCodes, connect, reconnect, WebSocketDisconnect, WebSocketUpgradeError, type WebSocketClient } from 'fastify-async-websocket/client'
import type { chat } from './chat.mjs'

function assert (fact: boolean, name: string): asserts fact {
  if (!fact) throw new Error(name)
}

/** Talks with the app of use-client.mjs. Resolves with what the app has said. */
export async function visit (url: string): Promise<string[]> {
  const said: string[] = []
  const ws = await connect<typeof chat>(`${url}/chat/lobby`, { valueType: 'json' })
  const { from, text } = await ws.pair({ text: 'hi' })
  assert(text === 'hi', 'an answer')
  await ws.close(closeCodes.NORMAL_CLOSURE, 'bye')
  assert((await ws.closed).code === 1000, 'a close')
  said.push(from)

  const rooms = ['attic', 'cellar']
  for await (const client of reconnect<typeof chat>(async () => `${url}/chat/${rooms.shift()}`, { valueType: 'json', baseDelay: 1, retry: () => rooms.length > 0 })) {
    const { from }: { from: string } = await client.pair({ text: 'hi' })
    said.push(from)
    if (from === 'cellar') break
    await client.close(4000)
  }

  const refused = await connect(`${url}/nowhere`).catch((error: unknown) => error)
  assert(refused instanceof WebSocketUpgradeError && refused.code === 'FST_WS_UPGRADE', 'a refusal')
  const plain: WebSocketClient<string> = await connect(`${url}/closes`)
  const gone = await plain.receive().catch((error: unknown) => error)
  assert(gone instanceof WebSocketDisconnect && gone.closeCode === 4001, 'a disconnect')
  said.push(gone.reason)
  return said
}
