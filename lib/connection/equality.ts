import { isDeepStrictEqual } from 'node:util'
import { bytesOf, isBytes } from '../codec/encode'

/** Whether the value `received` is equal to the expected one. If a getter or a proxy in `expected` throws, they are not. */
export function isEqual (expected: unknown, received: unknown): boolean {
  try {
    return Buffer.isBuffer(received) ? isBytes(expected) && received.equals(bytesOf(expected)) : isDeepStrictEqual(expected, received)
  } catch {
    return false
  }
}
