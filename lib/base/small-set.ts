/**
 * A set that takes no memory of its own until it has a second member: a set of one is the member itself. Most sessions have
 * one topic. Where each user has a topic, most topics have one subscriber. A member is never a `Set`.
 */
export type SmallSet<T> = T | Set<T>

/** Returns `set` with `member`. May change `set`. */
export function including<T> (set: SmallSet<T> | undefined, member: T): SmallSet<T> {
  if (set === undefined || set === member) return member
  return set instanceof Set ? set.add(member) : new Set([set, member])
}

/** Returns `set` without `member`, or undefined if no member is left. May change `set`. */
export function excluding<T> (set: SmallSet<T> | undefined, member: T): SmallSet<T> | undefined {
  if (!(set instanceof Set)) return set === member ? undefined : set
  set.delete(member)
  return set.size === 0 ? undefined : set
}

/** Whether `set` has `member`. */
export function includes<T> (set: SmallSet<T> | undefined, member: T): boolean {
  return set instanceof Set ? set.has(member) : set === member
}

/** Returns the members of `set` in a new `Set`. */
export function setOf<T> (set: SmallSet<T> | undefined): Set<T> {
  if (set === undefined) return new Set()
  return set instanceof Set ? new Set(set) : new Set([set])
}
