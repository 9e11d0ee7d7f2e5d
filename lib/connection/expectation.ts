import { isDeepStrictEqual } from 'node:util'
import { bytesOf, isBytes } from '../codec/encode'
import type { ValueType } from '../../types/message'

/** The type in which `expect` receives, after what it expects. */
export function typeOf (message: unknown): ValueType {
  switch (typeof message) {
    case 'string': return 'text'
    case 'boolean': return 'boolean'
    case 'number': return 'number'
    default: return isBytes(message) ? 'bytes' : 'json'
  }
}

/** What a getter or a proxy in `expected` throws is no message. */
export function isEqual (expected: unknown, received: unknown): boolean {
  try {
    return Buffer.isBuffer(received) ? isBytes(expected) && received.equals(bytesOf(expected)) : isDeepStrictEqual(expected, received)
  } catch {
    return false
  }
}
