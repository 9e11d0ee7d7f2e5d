/*
 * The position of a message, as clients see it:
 *
 *     1731000000000-0~AbCdEfGhIjKlMnOp
 *     place           mark
 *
 * `place` is the position in the log of the topic. `mark` is a mark of the message itself. A log that was lost and made anew may
 * give a place again, but no mark.
 */

/** A position in its two parts. */
export interface Position {
  readonly place: string
  readonly mark: string
}

const SEPARATOR = '~'

const FORM = /^[ -~]{0,64}$/

/** Writes a position. */
export function positionOf ({ place, mark }: Position): string {
  return `${place}${SEPARATOR}${mark}`
}

/**
 * Reads a position that a client has sent; null unless it is a string of at most 64 printable ASCII characters. A string of that form
 * which is no position has parts that no message has.
 */
export function readPosition (position: unknown): Position | null {
  if (typeof position !== 'string' || !FORM.test(position)) return null
  const end = position.lastIndexOf(SEPARATOR)
  return end === -1 ? { place: position, mark: '' } : { place: position.slice(0, end), mark: position.slice(end + 1) }
}

/** Whether `a` and `b` are the same position. */
export function isSame (a: Position, b: Position): boolean {
  return a.place === b.place && a.mark === b.mark
}
