/**
 * A set that takes no memory of its own as long as it has had one member at a time: most sessions have one topic, and
 * where each user has a topic, most topics have one subscriber. Members are no sets themselves.
 */
export type Few<T> = T | Set<T>

/** `few` and `member`. */
export function including<T> (few: Few<T> | undefined, member: T): Few<T> {
  if (few === undefined || few === member) return member
  return few instanceof Set ? few.add(member) : new Set([few, member])
}

/** `few` without `member`; undefined where nothing is left. */
export function excluding<T> (few: Few<T> | undefined, member: T): Few<T> | undefined {
  if (!(few instanceof Set)) return few === member ? undefined : few
  few.delete(member)
  return few.size === 0 ? undefined : few
}

/** Whether `member` is one of `few`. */
export function includes<T> (few: Few<T> | undefined, member: T): boolean {
  return few instanceof Set ? few.has(member) : few === member
}

/** The members of `few`, as a set of its own. */
export function setOf<T> (few: Few<T> | undefined): Set<T> {
  if (few === undefined) return new Set()
  return few instanceof Set ? new Set(few) : new Set([few])
}
