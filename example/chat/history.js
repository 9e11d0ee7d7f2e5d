// @ts-check
'use strict'

// The messages of a room are in a topic with history.

const PREFIX = 'room:'

/** The newest 50 messages of a room, for a day. */
const KEPT = { size: 50, ttl: 24 * 60 * 60 * 1000 }

/**
 * The option `history` of the plugin: other topics than those of messages have none.
 *
 * @param {string} topic
 */
function historyOf (topic) {
  return topic.startsWith(PREFIX) ? KEPT : /** @type {const} */ (false)
}

/**
 * The topic of the messages of a room.
 *
 * @param {string} room
 */
function topicOf (room) {
  return PREFIX + room
}

/**
 * Sends a page the messages of a room, and those that follow: from the position `after` on, or the newest ones if the page has no
 * position or if the topic no longer has what came after it.
 *
 * @param {import('fastify-async-websocket').WebSocketSession<any, import('./messages').ToPage>} ws
 * @param {string} room
 * @param {string} [after]
 */
async function catchUp (ws, room, after) {
  const topic = topicOf(room)
  if (after !== undefined) {
    const { recovered } = await ws.subscribe(topic, { after, positions: true })
    if (recovered) return
    await ws.unsubscribe(topic) // what has come since then comes again
  }
  await ws.send({ type: 'afresh' })
  const { position } = await ws.subscribe(topic, { last: KEPT.size, positions: true })
  if (position !== null) await ws.send({ topic, position }) // a page of a room without messages has a position, too
}

module.exports = { catchUp, historyOf, topicOf }
