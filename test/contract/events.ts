import { WebSocketEncodeError } from '../../lib/base/errors'
import { unhandledRejections } from '../helpers/unhandled'
import type { Test } from 'tap'
import type { OpenStream } from './stream-channel'

const BYTES = Buffer.from([0, 1, 254, 255])

/** Tests the events of the raw level. */
export function eventsContract (t: Test, open: OpenStream): void {
  t.test('receiveEvent gives a message as it arrived', async (t) => {
    const { channel, peer } = await open(t, { receiveType: 'json' })
    peer.send('text')
    peer.send(BYTES)
    t.same(await channel.receiveEvent(), { type: 'websocket.receive', text: 'text' })
    t.same(await channel.receiveEvent(), { type: 'websocket.receive', bytes: BYTES })
  })

  t.test('receiveEvent gives the disconnect, once', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.close(4001, 'bye')
    t.same(await channel.receiveEvent(), { type: 'websocket.receive', text: '1' })
    t.same(await channel.receiveEvent(), { type: 'websocket.disconnect', code: 4001, reason: 'bye' })
    await t.rejects(channel.receiveEvent(), { name: 'WebSocketDisconnect' })
  })

  t.test('sendEvent sends text and bytes', async (t) => {
    const { channel, peer } = await open(t)
    await channel.sendEvent({ type: 'websocket.send', text: 'text' })
    await channel.sendEvent({ type: 'websocket.send', bytes: BYTES })
    await channel.sendEvent({ type: 'websocket.send', text: 'text', bytes: null })
    await channel.sendEvent({ type: 'websocket.send', text: null, bytes: BYTES })
    t.same([await peer.next(), await peer.next(), await peer.next(), await peer.next()], ['text', BYTES, 'text', BYTES])
    await t.rejects(channel.sendEvent({ type: 'websocket.send' }), WebSocketEncodeError)
  })

  t.test('sendEvent rejects anything that is not an outgoing event', async (t) => {
    const { channel } = await open(t)
    for (const event of [{ type: 'websocket.receive', text: 'text' }, { type: 'http.request' }, {}, null]) {
      await t.rejects(channel.sendEvent(event as never), { name: 'WebSocketOptionError' })
    }
  })

  t.test('sendEvent closes', async (t) => {
    for (const [event, end] of [
      [{ type: 'websocket.close' }, { code: 1000, reason: '' }],
      [{ type: 'websocket.close', code: 4001, reason: 'bye' }, { code: 4001, reason: 'bye' }],
      [{ type: 'websocket.close', code: 4001, reason: null }, { code: 4001, reason: '' }],
      [{ type: 'websocket.close', code: null }, { code: 1005, reason: '' }]
    ] as const) {
      const { channel, peer } = await open(t)
      await channel.sendEvent(event as never)
      t.same(await peer.closed, end)
    }
  })

  t.test('while messages before the end wait, sendEvent has no effect; later it rejects', async (t) => {
    const { channel, peer } = await open(t)
    peer.send('1')
    peer.close(4001, 'bye')
    await channel.closed
    t.equal(await channel.sendEvent({ type: 'websocket.send', text: 'text' }), undefined)
    t.equal(await channel.receive(), '1')
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect' })
    await t.rejects(channel.sendEvent({ type: 'websocket.send', text: 'text' }), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye', wasClean: true })
  })

  t.test('an event that rejects without an await does not end the process', async (t) => {
    const { channel, peer } = await open(t)
    const reasons = await unhandledRejections(async () => {
      channel.receiveEvent()
      channel.sendEvent({ type: 'websocket.accept' } as never)
      peer.terminate()
      await channel.closed
      channel.receiveEvent()
      channel.receiveEvent()
      channel.sendEvent({ type: 'websocket.send', text: 'text' })
    })
    t.same(reasons, [])
  })
}
