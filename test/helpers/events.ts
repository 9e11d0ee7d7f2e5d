import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Test } from 'tap'
import type { ObservedEvents } from '../../types/observe'

type Name = keyof ObservedEvents
const PREFIX = 'fastify-async-websocket:'
const NAMES = ['accepted', 'refused', 'closed', 'message.received', 'message.sent', 'published', 'slow', 'broker'] as const

/** An event, with the name of its channel after `fastify-async-websocket:`. */
export type Told = { [N in typeof NAMES[number]]: { on: N } & ObservedEvents[`fastify-async-websocket:${N}`] }[typeof NAMES[number]]

/** Returns the events of all channels, or of `names`, from now to the end of `t`. */
export function listen (t: Pick<Test, 'teardown'>, names: readonly typeof NAMES[number][] = NAMES): Told[] {
  const told: Told[] = []
  for (const on of names) {
    const listener = (event: any): void => { told.push({ on, ...event }) }
    subscribe(PREFIX + on as Name, listener)
    t.teardown(() => { unsubscribe(PREFIX + on as Name, listener) })
  }
  return told
}

/** An event in short: its channel, its route, and some of its members. */
export function brief (told: readonly Told[], ...members: string[]): unknown[][] {
  return told.map((event) => [event.on, event.route?.url ?? null, ...members.map((member) => (event as any)[member]).filter((value) => value !== undefined)])
}
