import { constants } from 'node:buffer'
import { textOf, type Message } from '../codec/decode'
import type { EventEmitter } from 'node:events'
import type { RawWebSocket } from '../../types/raw'

/** Who takes messages as they arrive. */
export interface Recipient {
  /** `bytes` is the length of the message as it came. */
  push (message: Message, bytes: number): void
}

const kRecipient = Symbol('fastify-async-websocket.recipient')

interface Delivering { [kRecipient]?: Recipient }

/** From now on the messages of `raw` go to `recipient`. */
export function deliver (raw: RawWebSocket, recipient: Recipient): void {
  (raw as Delivering)[kRecipient] = recipient
  raw.on('message', onMessage)
}

/** Who takes the messages of `raw`, if nobody else listens for them: then they need not go by way of an event. */
export function onlyRecipient (raw: EventEmitter & Delivering): Recipient | null {
  return isOnlyListener(raw, 'message', onMessage) ? raw[kRecipient]! : null
}

export function isOnlyListener (emitter: EventEmitter, event: string, listener: Function): boolean {
  return emitter.listenerCount(event) === 1 && emitter.listenerCount(event, listener) === 1
}

// `ws` has checked the UTF-8 of text frames (RFC 6455, section 8.1). A text that is too long for a string stays bytes: to
// make one would throw here, where nobody catches it.
function onMessage (this: Delivering, data: Buffer, isBinary: boolean): void {
  this[kRecipient]!.push(isBinary || data.length > constants.MAX_STRING_LENGTH ? data : textOf(data), data.length)
}
