/**
 * A set that takes no memory of its own as long as it has had one member at a time: most sessions have one topic, and
 * where each user has a topic, most topics have one subscriber. Members are no sets themselves.
 */
export type SmallSet<T> = T | Set<T>

/** `few` and `member`. */
export function including<T> (set: SmallSet<T> | undefined, member: T): SmallSet<T> {
  if (set === undefined || set === member) return member
  return set instanceof Set ? set.add(member) : new Set([set, member])
}

/** `few` without `member`; undefined where nothing is left. */
export function excluding<T> (set: SmallSet<T> | undefined, member: T): SmallSet<T> | undefined {
  if (!(set instanceof Set)) return set === member ? undefined : set
  set.delete(member)
  return set.size === 0 ? undefined : set
}

/** Whether `member` is one of `few`. */
export function includes<T> (set: SmallSet<T> | undefined, member: T): boolean {
  return set instanceof Set ? set.has(member) : set === member
}

/** The members of `few`, as a set of its own. */
export function setOf<T> (set: SmallSet<T> | undefined): Set<T> {
  if (set === undefined) return new Set()
  return set instanceof Set ? new Set(set) : new Set([set])
}
