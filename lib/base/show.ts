import { inspect } from 'node:util'

/*
 * What users give can be anything: also what throws in its turn when it is looked at, as a revoked proxy does, or what is
 * too long for a message.
 */

/** What an error says of `value`: short, and never a reason to throw. */
export function show (value: unknown): string {
  try {
    return inspect(value, { depth: 1, breakLength: Infinity, compact: true, maxArrayLength: 10, maxStringLength: 100 })
  } catch {
    return `a value of type ${typeof value} that cannot be shown`
  }
}

/** The message of what was thrown; what it is, where it has none. Never throws. */
export function messageOf (thrown: unknown): string {
  try {
    const { message } = thrown as Error
    if (typeof message === 'string') return message
  } catch {
    // It is null or undefined, or cannot be read.
  }
  return show(thrown)
}

/** What is logged of `thrown` where it cannot be logged as it is: its stack, or what it is. Never throws. */
export function detailsOf (thrown: unknown): string {
  try {
    const { stack } = thrown as Error
    if (typeof stack === 'string') return stack
  } catch {
    // As above.
  }
  return show(thrown)
}
