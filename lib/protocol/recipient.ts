import type { Message } from '../codec/decode'

/** A recipient of received messages. */
export interface Recipient {
  /** Takes a message. `bytes` is its length on the wire, or after decompression. */
  push (message: Message, bytes: number): void
}
