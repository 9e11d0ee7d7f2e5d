import type { Message, OtherEnd } from './other-end'

/** The bytes of `text` in UTF-8. */
export function bytes (text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

/** `length` bytes, all of the same value. */
export function repeated (byte: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(byte)
}

/** `value`, or a list of numbers in place of bytes, whose class differs from platform to platform. */
export function plain (value: unknown): unknown {
  return value instanceof Uint8Array ? [...value] : value
}

/** Whether `message` consists of these bytes. */
export function isBytesOf (message: Message, bytes: Uint8Array): boolean {
  return message instanceof Uint8Array && message.length === bytes.length && message.every((byte, i) => byte === bytes[i])
}

/** Resolves with the next `count` messages of `peer`, as `plain` has them. */
export async function take (peer: OtherEnd, count: number): Promise<unknown[]> {
  const messages = []
  while (messages.length < count) messages.push(plain(await peer.next()))
  return messages
}
