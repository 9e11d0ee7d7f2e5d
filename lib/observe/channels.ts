import { channel, subscribe as subscribeTo, unsubscribe, type Channel } from 'node:diagnostics_channel'
import type { ObservedEvents } from '../../types/observe'

/** A channel whose messages have a type. */
export interface TypedChannel<Event> extends Channel {
  publish (event: Event): void
}

function typed<Name extends keyof ObservedEvents> (name: Name): TypedChannel<ObservedEvents[Name]> {
  return channel(name)
}

/* The channels. An event is made only where `hasSubscribers`. */

export const accepted = typed('fastify-async-websocket:accepted')
export const refused = typed('fastify-async-websocket:refused')
export const closed = typed('fastify-async-websocket:closed')
export const messageReceived = typed('fastify-async-websocket:message.received')
export const messageSent = typed('fastify-async-websocket:message.sent')
export const published = typed('fastify-async-websocket:published')
export const slow = typed('fastify-async-websocket:slow')
export const broker = typed('fastify-async-websocket:broker')

/** Calls `listener` with each event of `channel`. Returns a function that ends this. */
export function subscribe<Event> ({ name }: TypedChannel<Event>, listener: (event: Event) => void): () => void {
  const onEvent = listener as (event: unknown) => void
  subscribeTo(name, onEvent)
  return () => { unsubscribe(name, onEvent) }
}
