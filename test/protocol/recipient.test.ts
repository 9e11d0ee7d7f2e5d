import { constants } from 'node:buffer'
import { EventEmitter } from 'node:events'
import t from 'tap'
import { deliver, isOnlyListener, onlyRecipient } from '../../lib/protocol/recipient'
import type { Message } from '../../lib/codec/decode'

/** A socket whose messages go to a recipient, and the messages that the recipient got. */
function createSocket () {
  const raw: any = new EventEmitter()
  const given: [Message, number][] = []
  const recipient = { push: (message: Message, bytes: number): void => { given.push([message, bytes]) } }
  deliver(raw, recipient)
  return { raw, recipient, given }
}

t.test('a recipient gets texts as strings and bytes unchanged, with their length on the wire', async (t) => {
  const { raw, given } = createSocket()
  raw.emit('message', Buffer.from('grüße'), false)
  raw.emit('message', Buffer.from('bytes'), true)
  raw.emit('message', Buffer.alloc(0), false)
  t.strictSame(given, [['grüße', 7], [Buffer.from('bytes'), 5], ['', 0]])
})

t.test('a text that is longer than the longest string stays bytes', async (t) => {
  const { raw, given } = createSocket()
  const text = Buffer.alloc(constants.MAX_STRING_LENGTH + 1)
  raw.emit('message', text, false)
  t.equal(given[0][0], text)
  t.equal(given[0][1], text.length)
})

t.test('a recipient is the only one while the socket has no other listener', async (t) => {
  const { raw, recipient } = createSocket()
  const listener = (): void => {}
  t.equal(onlyRecipient(raw), recipient)
  raw.on('message', listener)
  t.equal(onlyRecipient(raw), null)
  raw.removeListener('message', listener)
  t.equal(onlyRecipient(raw), recipient)
  raw.removeAllListeners('message')
  t.equal(onlyRecipient(raw), null)
  raw.on('message', listener)
  t.equal(onlyRecipient(raw), null, 'another listener took its place')
})

t.test('a socket without a recipient has none', async (t) => {
  t.equal(onlyRecipient(new EventEmitter()), null)
})

t.test('a listener is the only one if it is the one listener', async (t) => {
  const emitter = new EventEmitter()
  const listener = (): void => {}
  t.equal(isOnlyListener(emitter, 'event', listener), false)
  emitter.on('event', listener)
  t.equal(isOnlyListener(emitter, 'event', listener), true)
  emitter.on('event', () => {})
  t.equal(isOnlyListener(emitter, 'event', listener), false)
})
