import * as api from '@opentelemetry/api'
import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import websocket, { type ObservedEvents, type WebSocketCounters, type WebSocketStats } from '../../lib/index'
import { otel, register } from '../../lib/observe/otel'
import type { WebSocketSession } from '../../types/session'

const app = Fastify()
app.register(websocket)

describe('what is observed', () => {
  test('stats', () => {
    const stats = app.websockets.stats()
    expect(stats).type.toBe<WebSocketStats>()
    expect(stats.connections.open).type.toBe<number>()
    expect(stats.refusals[401]).type.toBe<number | undefined>()
    expect(stats.brokerState).type.toBe<'up' | 'down'>()
    expect(stats.routes['/']).type.toBe<WebSocketCounters | undefined>()
  })

  test('events', () => {
    const event = {} as ObservedEvents['fastify-async-websocket:closed']
    expect(event.session).type.toBe<WebSocketSession<any> | null>()
    expect(event.route?.url).type.toBe<string | undefined>()
    expect(event.sent.messages).type.toBe<number>()
    expect<keyof ObservedEvents>().type.toBeAssignableFrom<'fastify-async-websocket:message.received'>()
    expect<keyof ObservedEvents>().type.not.toBeAssignableFrom<'fastify-async-websocket:other'>()
  })

  test('register', () => {
    expect(register(api)).type.toBe<() => void>()
    expect(register).type.toBeCallableWith(api, { messages: true })
    expect(register).type.not.toBeCallableWith(api, { message: true })
    expect(register).type.not.toBeCallableWith()
    expect(app.register).type.toBeCallableWith(otel, { messages: true })
    expect(app.register).type.not.toBeCallableWith(otel, { messages: 1 })
  })
})
