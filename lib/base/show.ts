import { inspect } from 'node:util'

/*
 * A value of the user's can be anything. It can throw when it is read, as a revoked proxy does, and it can be too long for a
 * message.
 */

/** Shows `value` in an error message, cut if it is long. Never throws. */
export function show (value: unknown): string {
  try {
    return inspect(value, { depth: 1, breakLength: Infinity, compact: true, maxArrayLength: 10, maxStringLength: 100 })
  } catch {
    return `a value of type ${typeof value} that cannot be shown`
  }
}

/** Says of what kind `value` is, without its content. Never throws. */
export function describe (value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'object') return typeof value
  try {
    return `an object (${value.constructor?.name ?? 'null prototype'})`
  } catch {
    return 'an object that cannot be read'
  }
}

/** The message of a thrown value, or the value itself as text if it has no message. Never throws. */
export function messageOf (thrown: unknown): string {
  try {
    const { message } = thrown as Error
    if (typeof message === 'string') return message
  } catch {
    // `thrown` is null or undefined, or reading it throws.
  }
  return show(thrown)
}

/** A thrown value as text, for a log that cannot take the value itself: its stack, or the value as text. Never throws. */
export function detailsOf (thrown: unknown): string {
  try {
    const { stack } = thrown as Error
    if (typeof stack === 'string') return stack
  } catch {
    // As above.
  }
  return show(thrown)
}
