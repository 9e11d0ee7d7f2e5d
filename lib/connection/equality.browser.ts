import { bytesOf, isBytes } from '../codec/encode'

/** Whether `received`, which is bytes or a value of JSON, is equal to the expected value. If reading `expected` throws, they are not. */
export function isEqual (expected: unknown, received: unknown): boolean {
  try {
    return isSame(isBytes(expected) ? bytesOf(expected) : expected, received)
  } catch {
    return false
  }
}

function isSame (a: any, b: any): boolean {
  if (Object(a) !== a || Object(b) !== b) return Object.is(a, b)
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && tagOf(a) === tagOf(b) && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]))
}

/** What kind of object `value` is: a map, say, is equal to no object of JSON. */
function tagOf (value: object): string {
  return Object.prototype.toString.call(value)
}
