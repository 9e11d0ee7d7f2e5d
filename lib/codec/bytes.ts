import { Buffer, constants, isAscii, isUtf8 } from 'node:buffer'

/*
 * Bytes, as Node has them. The file `bytes.browser.ts` stands in for this one in a browser, where bytes are a plain `Uint8Array`.
 */

export { isAnyArrayBuffer } from 'node:util/types'

/** Bytes. From this length on, a check for ASCII pays, since ASCII need not be decoded as UTF-8. */
const LONG = 1024

/** Encodes `text` in UTF-8. */
export function encodeUtf8 (text: string): Buffer {
  return Buffer.from(text)
}

/** Decodes `bytes` from UTF-8. */
export function decodeUtf8 (bytes: Buffer): string {
  return bytes.length >= LONG && isAscii(bytes) ? bytes.toString('latin1') : bytes.toString()
}

/** Decodes `bytes` from UTF-8. Throws if they are not UTF-8. */
export function strictUtf8 (bytes: Buffer): string {
  if (isUtf8(bytes)) return decodeUtf8(bytes)
  throw new TypeError('it is not UTF-8')
}

/** Whether `bytes` are too long for a string. */
export function isTooLong (bytes: Buffer): boolean {
  return bytes.length > constants.MAX_STRING_LENGTH
}

/** Why the message `bytes` is no text. */
export function whyNoText (bytes: Buffer): string {
  return isTooLong(bytes) ? 'the message is too long for a string' : 'expected a text message, received a binary one'
}
