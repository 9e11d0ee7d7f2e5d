/** Names that all differ, of characters that every tool takes for a name. */
export class Names {
  readonly #taken: Set<string>

  /** `taken`: the names that are in use already. */
  constructor (taken: string[] = []) {
    this.#taken = new Set(taken)
  }

  /** Returns `wanted`, or `wanted` with a number where that is in use. */
  take (wanted: string): string {
    const base = wanted.replace(/[^\w.-]+/g, '_') || '_'
    let name = base
    for (let n = 2; this.#taken.has(name); n++) name = `${base}_${n}`
    this.#taken.add(name)
    return name
  }
}
