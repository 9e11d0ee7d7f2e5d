'use strict'

/** The message of the JSON workload. */
const message = (i) => ({
  id: 1000 + i,
  room: 'lobby',
  user: 'ada',
  text: 'A socket that is awaited reads like the rest of the app, from top to bottom.',
  urgent: false
})

const schema = {
  type: 'object',
  required: ['id', 'room', 'user', 'text', 'urgent'],
  properties: {
    id: { type: 'integer' },
    room: { type: 'string', minLength: 1, maxLength: 40 },
    user: { type: 'string', minLength: 1, maxLength: 40 },
    text: { type: 'string', maxLength: 500 },
    urgent: { type: 'boolean' }
  }
}

module.exports = { message, schema }
