// @ts-check
'use strict'

const { randomUUID } = require('node:crypto')
const { defineWebSocket } = require('fastify-async-websocket')
const { catchUp, topicOf } = require('./history')
const schema = require('./messages')

/** `defineWebSocket` for schemas of TypeBox. */
const define = /** @type {import('fastify-async-websocket').DefineWebSocket<import('@fastify/type-provider-typebox').TypeBoxTypeProvider>} */ (
  defineWebSocket.withTypeProvider())

/**
 * The WebSocket route of the chat. The path has the room; the query has the name and, if the page comes back, its position in the
 * messages of the room. The page takes the types of its messages from this route.
 *
 * @param {import('./rooms')} rooms
 */
module.exports = function chatRoute (rooms) {
  return define({
    url: '/chat/:room',
    schema,
    async handler (ws) {
      const { room } = ws.params
      const { name, after } = ws.query
      const typing = `typing:${room}`

      if (this.websockets.brokerState === 'down') return await ws.deny(503) // the page tries again
      await ws.accept() // the schema has refused wrong rooms and names with 400 before
      await rooms.settled()
      await ws.subscribe(typing)
      await catchUp(ws, room, after)
      rooms.enter(room, ws)
      try {
        await ws.send({ type: 'welcome', people: rooms.people(room) })

        // The loop does not await `publish`, which rejects while the broker is down: no page gets the message then. Its author's page
        // sends it again after the next welcome.
        for await (const message of ws) {
          if (message.type === 'typing') {
            ws.publish(typing, { ...message, name }) // to all other sessions in the room
          } else {
            const { id = randomUUID(), text } = message
            // To all sessions, also the sender's: so its page learns that the message has arrived.
            this.websockets.publish(topicOf(room), { id, name, text, at: Date.now() })
          }
        }
      } finally {
        rooms.leave(room, ws)
      }
    }
  })
}
