// Routes that clients take their types from, with each kind of schemas.
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { defineWebSocket } from 'fastify-async-websocket'

export const chat = defineWebSocket<{ Params: { room: string }, Receive: { text: string }, Send: { from: string, text: string } }>({
  url: '/chat/:room',
  schema: { receive: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } } },
  websocket: { sendType: 'json' },
  handler: async (ws) => {
    await ws.accept()
    for await (const { text } of ws) await ws.send({ from: ws.params.room, text })
  }
})

export const box = defineWebSocket.withTypeProvider<TypeBoxTypeProvider>()({
  url: '/box/:room',
  schema: {
    params: Type.Object({ room: Type.String() }),
    receive: Type.Object({ text: Type.String() }),
    send: Type.Object({ from: Type.String(), text: Type.String() })
  },
  handler: async (ws) => {
    await ws.accept()
    for await (const { text } of ws) await ws.send({ from: ws.params.room, text })
  }
})

export const zod = defineWebSocket.withTypeProvider<ZodTypeProvider>()({
  url: '/zod',
  schema: {
    receive: z.object({ text: z.string().default('') }),
    send: z.object({ from: z.string(), text: z.string() })
  },
  websocket: { onMessage: async (ws, { text }) => { await ws.send({ from: ws.id, text: text.trim() }) } }
})
