/** Encodes `text` in UTF-8. */
export function encodeUtf8 (text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text)
}

/** Decodes `bytes` from UTF-8. Throws if they are not UTF-8. A byte order mark is a character of the text. */
export function strictUtf8 (bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

/** Why a message of bytes is no text. */
export function whyNoText (): string {
  return 'expected a text message'
}

/** Whether `value` is an ArrayBuffer or a SharedArrayBuffer, of this realm or another. */
export function isAnyArrayBuffer (value: unknown): value is ArrayBufferLike {
  return /ArrayBuffer]$/.test(tagOf(value))
}

/** The kind of `value`: `[object Map]`, for example. */
export function tagOf (value: unknown): string {
  return Object.prototype.toString.call(value)
}
