/** A queue that runs empty frees a ring with more places than this. Otherwise one burst would take memory for ever. */
const MAX_IDLE = 64

/** A first-in first-out queue on a ring. Queued items move only when the ring grows. */
export class Queue<T> {
  #ring: (T | undefined)[] = []
  #mask = -1
  #head = 0
  #length = 0

  get length (): number {
    return this.#length
  }

  /** The oldest item, which stays in the queue; `undefined` if the queue is empty. */
  get first (): T | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head]
  }

  push (item: T): void {
    if (this.#length > this.#mask) this.#grow()
    this.#ring[(this.#head + this.#length++) & this.#mask] = item
  }

  /** Takes the oldest item out; `undefined` if the queue is empty. */
  shift (): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & this.#mask
    if (--this.#length === 0 && this.#mask >= MAX_IDLE) this.clear()
    return item
  }

  /** Replaces each of the newest `count` items by the result of `replace`. */
  replaceNewest (count: number, replace: (item: T) => T): void {
    for (let i = this.#length - count; i < this.#length; i++) {
      const place = (this.#head + i) & this.#mask
      this.#ring[place] = replace(this.#ring[place]!)
    }
  }

  clear (): void {
    this.#ring = []
    this.#mask = -1
    this.#head = this.#length = 0
  }

  // The length of the ring is a power of two, so that a bit mask wraps an index.
  #grow (): void {
    const ring = new Array<T | undefined>(Math.max(4, this.#length * 2))
    for (let i = 0; i < this.#length; i++) ring[i] = this.#ring[(this.#head + i) & this.#mask]
    this.#ring = ring
    this.#mask = ring.length - 1
    this.#head = 0
  }
}
