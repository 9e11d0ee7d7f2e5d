import { constants } from 'node:buffer'
import { textOf, type Message } from '../codec/decode'
import type { EventEmitter } from 'node:events'
import type { RawWebSocket } from '../../types/raw'

/** A recipient of received messages. */
export interface Recipient {
  /** Takes a message. `bytes` is its length on the wire. */
  push (message: Message, bytes: number): void
}

const kRecipient = Symbol('fastify-async-websocket.recipient')

interface Delivering { [kRecipient]?: Recipient }

/** Passes the messages of `raw` to `recipient` from now on. */
export function deliver (raw: RawWebSocket, recipient: Recipient): void {
  (raw as Delivering)[kRecipient] = recipient
  raw.on('message', onMessage)
}

/** The recipient of the messages of `raw`; null if `raw` has other `message` listeners. A sole recipient needs no event. */
export function onlyRecipient (raw: EventEmitter & Delivering): Recipient | null {
  return isOnlyListener(raw, 'message', onMessage) ? raw[kRecipient]! : null
}

/** Whether `listener` is the only listener on `event`. */
export function isOnlyListener (emitter: EventEmitter, event: string, listener: Function): boolean {
  return emitter.listenerCount(event) === 1 && emitter.listenerCount(event, listener) === 1
}

// `ws` has checked the UTF-8 of text frames (RFC 6455, section 8.1). A text that is too long for a string stays bytes: decoding
// would throw here, where no caller catches the error.
function onMessage (this: Delivering, data: Buffer, isBinary: boolean): void {
  this[kRecipient]!.push(isBinary || data.length > constants.MAX_STRING_LENGTH ? data : textOf(data), data.length)
}
