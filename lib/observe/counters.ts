import { closeCodes } from '../base/close-codes'
import type { MessageCount, WebSocketCounters } from '../../types/observe'

/** The messages of a connection. */
export interface Traffic {
  readonly received: Readonly<MessageCount>
  readonly sent: Readonly<MessageCount>
}

/** The most codes that are counted by themselves, so that what others send takes no memory without bound. */
const MAX_CODES = 64

const registered = new Set<number>(Object.values(closeCodes))

/** Whether `code` is a registered close code. */
export function isRegistered (code: number): boolean {
  return registered.has(code)
}

/** Counts by code. Registered close codes always have a count of their own. */
export class CodeCounts {
  readonly #counts = new Map<number, number>()
  readonly #reserved: number
  #other = 0

  /** `isClose`: the codes are close codes. Clients make them up, so that places are kept for the registered codes. */
  constructor (isClose: boolean) {
    this.#reserved = isClose ? registered.size : 0
  }

  add (code: number, count = 1): void {
    const known = this.#counts.get(code)
    if (known !== undefined) this.#counts.set(code, known + count)
    else if (this.#counts.size < MAX_CODES - this.#reserved || (this.#reserved > 0 && isRegistered(code))) this.#counts.set(code, count)
    else this.#other += count
  }

  addAll (other: CodeCounts): void {
    other.#counts.forEach((count, code) => this.add(code, count))
    this.#other += other.#other
  }

  get snapshot (): Record<string, number> {
    return { ...Object.fromEntries(this.#counts), ...(this.#other > 0 && { other: this.#other }) }
  }
}

/** The counters of a route, or of several. */
export class Counters {
  open = 0
  accepted = 0
  publications = 0
  skipped = 0
  slowCloses = 0
  heartbeatLosses = 0
  readonly refusals = new CodeCounts(false)
  readonly closes = new CodeCounts(true)
  readonly received: MessageCount = { messages: 0, bytes: 0 }
  readonly sent: MessageCount = { messages: 0, bytes: 0 }

  addTraffic ({ received, sent }: Traffic): void {
    this.received.messages += received.messages
    this.received.bytes += received.bytes
    this.sent.messages += sent.messages
    this.sent.bytes += sent.bytes
  }

  addAll (other: Counters): this {
    this.open += other.open
    this.accepted += other.accepted
    this.publications += other.publications
    this.skipped += other.skipped
    this.slowCloses += other.slowCloses
    this.heartbeatLosses += other.heartbeatLosses
    this.refusals.addAll(other.refusals)
    this.closes.addAll(other.closes)
    this.addTraffic(other)
    return this
  }

  get snapshot (): WebSocketCounters {
    const { open, accepted, received, sent, publications, skipped, slowCloses, heartbeatLosses } = this
    return {
      connections: { open, accepted },
      refusals: this.refusals.snapshot,
      closes: this.closes.snapshot,
      messages: { received: received.messages, sent: sent.messages },
      bytes: { received: received.bytes, sent: sent.bytes },
      publications,
      skipped,
      slowCloses,
      heartbeatLosses
    }
  }
}
