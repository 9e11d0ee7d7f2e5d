// @ts-check
'use strict'

// What a page connects with, and the messages of the chat. The types that server and page are checked by follow from these
// schemas.

const { Type } = require('@fastify/type-provider-typebox')

/** @typedef {import('@fastify/type-provider-typebox').Static<typeof said>} Said A message of a person, as the topic of a room has it. */
/** @typedef {import('@fastify/type-provider-typebox').Static<typeof receive>} ToServer */
/** @typedef {import('@fastify/type-provider-typebox').Static<typeof send>} ToPage */

const exactly = { additionalProperties: false }

const room = Type.String({ pattern: '^[\\w-]{1,32}$' })
const name = Type.String({ pattern: '^\\S+( \\S+)*$', maxLength: 32 })
const id = Type.String({ pattern: '^[\\w-]{1,64}$' })
const text = Type.String({ pattern: '\\S', maxLength: 2000 })
const typing = Type.Boolean()
const people = Type.Array(name)
const said = Type.Object({ id, name, text, at: Type.Integer() }, exactly)
const position = Type.String({ pattern: '^[ -~]{1,64}$' })

/** Messages from the page. A message that does not validate closes the connection with 1008. */
const receive = byType(
  Type.Object({ type: Type.Literal('message'), id: Type.Optional(id), text }, exactly),
  Type.Object({ type: Type.Literal('typing'), typing }, exactly)
)

/** Messages to the page. */
const send = Type.Union([
  // What the topic of the room brings. Without data: the place in the topic at which the page stands.
  Type.Object({ topic: Type.String(), position, data: Type.Optional(said) }, exactly),
  // The page may have missed messages. The newest ones follow, in place of those that the page has.
  Type.Object({ type: Type.Literal('afresh') }, exactly),
  // The page is up to date. Sent at first, and again after an outage of the broker.
  Type.Object({ type: Type.Literal('welcome'), people }, exactly),
  Type.Object({ type: Type.Enum(['joined', 'left']), name, people }, exactly),
  Type.Object({ type: Type.Literal('typing'), name, typing }, exactly)
])

/**
 * One of these objects, as its `type` tells. An error then names what is wrong with that object.
 *
 * @template {import('@fastify/type-provider-typebox').TObject[]} Options
 * @param {Options} oneOf
 * @returns {import('@fastify/type-provider-typebox').TUnsafe<import('@fastify/type-provider-typebox').Static<Options[number]>>}
 */
function byType (...oneOf) {
  return Type.Unsafe({ type: 'object', required: ['type'], discriminator: { propertyName: 'type' }, oneOf })
}

module.exports = {
  params: Type.Object({ room }, exactly),
  querystring: Type.Object({ name, after: Type.Optional(position) }, exactly),
  receive,
  send
}
