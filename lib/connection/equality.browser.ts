import { tagOf } from '../codec/bytes.browser'
import { bytesOf, isBytes } from '../codec/encode'

/** Whether `received`, which is bytes or a value of JSON, is equal to the expected value. Throws what reading `expected` throws. */
export function isEqual (expected: unknown, received: unknown): boolean {
  return isSame(isBytes(expected) ? bytesOf(expected) : expected, received)
}

function isSame (a: any, b: any): boolean {
  if (Object(a) !== a || Object(b) !== b) return Object.is(a, b)
  const keys = Object.keys(a)
  // By their tags, a map, say, is equal to no object of JSON.
  return keys.length === Object.keys(b).length && tagOf(a) === tagOf(b) && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
}
