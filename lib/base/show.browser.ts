/** The longest text that is shown whole, in UTF-16 units. */
const LONGEST = 100

/** Shows `value` in an error message, cut if it is long. Never throws. */
export function show (value: unknown): string {
  try {
    return String(JSON.stringify(value) ?? value).slice(0, LONGEST)
  } catch {
    return describe(value)
  }
}

/** Says of what kind `value` is, without its content. Never throws. */
export function describe (value: unknown): string {
  return value === null || typeof value === 'number' ? String(value) : typeof value
}

/** The message of a thrown value, or the value itself as text if it has no message. Throws what a getter of `message` throws. */
export function messageOf (thrown: any): string {
  return thrown?.message ?? show(thrown)
}
