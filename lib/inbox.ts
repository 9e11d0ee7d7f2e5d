import { WebSocketTimeoutError, type WebSocketDisconnect } from './errors'
import { Deferred, quiet, rejected } from './promise'
import { Queue } from './queue'
import type { Decode } from './decode'

/** How long and how far a `receive` waits. */
export interface Patience {
  /** Milliseconds. */
  timeout?: number
  signal?: AbortSignal
}

/** What a `receive` makes of the end of the connection, if it is not to reject with it. */
export interface Ending {
  /** What it is to resolve with; or throws what it is to reject with. */
  atEnd (end: WebSocketDisconnect): unknown
}

export interface Flow {
  pause (): void
  resume (): void
}

/** What a queued message costs at least, in bytes: its objects take memory even where its payload is empty. */
const MIN_COST = 128

/** The longest delay that Node's timers keep; beyond it they fire at once. */
export const MAX_DELAY = 2 ** 31 - 1

function cost (message: Buffer): number {
  return Math.max(message.length, MIN_COST)
}

/** A `receive` that waits for its message. */
class Reader extends Deferred<unknown> {
  /** Who has come after it. */
  next: Reader | null = null
  readonly #decode: Decode
  readonly #ending: Ending | undefined
  #timer?: NodeJS.Timeout
  #signal?: AbortSignal
  #onAbort?: () => void

  constructor (decode: Decode, ending: Ending | undefined) {
    super()
    this.#decode = decode
    this.#ending = ending
  }

  /** Waits for no longer than `patience`, then leaves `readers` and rejects. */
  limit ({ timeout, signal }: Patience, readers: Readers): void {
    if (timeout !== undefined && timeout <= MAX_DELAY) {
      this.#timer = setTimeout(() => {
        readers.remove(this)
        this.fail(new WebSocketTimeoutError(`no message within ${timeout} ms`))
      }, timeout)
    }
    if (signal !== undefined) {
      this.#signal = signal
      this.#onAbort = () => {
        readers.remove(this)
        this.fail(signal.reason)
      }
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
  }

  deliver (data: Buffer, isBinary: boolean): void {
    this.#settled()
    try {
      const value = this.#decode(data, isBinary)
      if (value instanceof Promise) quiet(this.promise)
      this.resolve(value)
    } catch (error) {
      this.reject(error)
    }
  }

  end (end: WebSocketDisconnect): void {
    if (this.#ending === undefined) return this.fail(end)
    this.#settled()
    try {
      this.resolve(this.#ending.atEnd(end))
    } catch (error) {
      this.reject(error)
    }
  }

  fail (error: unknown): void {
    this.#settled()
    this.reject(error)
  }

  #settled (): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#onAbort !== undefined) this.#signal!.removeEventListener('abort', this.#onAbort)
  }
}

/** Those who wait, in the order in which they came: a list, since mostly there is one. */
class Readers {
  #first: Reader | null = null
  #last: Reader | null = null

  push (reader: Reader): void {
    if (this.#last === null) this.#first = reader
    else this.#last.next = reader
    this.#last = reader
  }

  /** Takes the first one out; `null` when nobody waits. */
  shift (): Reader | null {
    const reader = this.#first
    if (reader !== null) {
      this.#first = reader.next
      if (this.#first === null) this.#last = null
    }
    return reader
  }

  /** Takes `reader` out, wherever it stands. */
  remove (reader: Reader): void {
    let before: Reader | null = null
    let other = this.#first
    while (other !== reader) {
      before = other
      other = other!.next
    }
    if (before === null) this.#first = reader.next
    else before.next = reader.next
    if (this.#last === reader) this.#last = before
  }
}

/**
 * The received messages that wait to be taken, or the readers that wait for messages: never both.
 * Above `highWaterMark` bytes it pauses the flow, at half of it it lets the flow go on.
 */
export class Inbox {
  // Of the messages that wait: an object for each of them would only be made to be taken apart again.
  #data: Queue<Buffer> | null = null
  #isBinary: Queue<boolean> | null = null
  readonly #readers = new Readers()
  readonly #highWaterMark: number
  readonly #flow: Flow
  #bytes = 0
  #paused = false
  #discarding = false
  #end: WebSocketDisconnect | null = null

  constructor (highWaterMark: number, flow: Flow) {
    this.#highWaterMark = highWaterMark
    this.#flow = flow
  }

  /** A message has arrived. */
  push (data: Buffer, isBinary: boolean): void {
    if (this.#discarding) return
    const reader = this.#readers.shift()
    if (reader !== null) {
      reader.deliver(data, isBinary)
      return
    }
    this.#data ??= new Queue()
    this.#isBinary ??= new Queue()
    this.#data.push(data)
    this.#isBinary.push(isBinary)
    this.#bytes += cost(data)
    if (this.#bytes > this.#highWaterMark && !this.#paused) {
      this.#paused = true
      this.#flow.pause()
    }
  }

  /**
   * Takes the next message and decodes it. Readers are served in the order in which they came.
   * Rejects with what `decode` throws, with `WebSocketTimeoutError` or the signal's reason when
   * `patience` ends (no message is taken then), and at the end of the connection with its `WebSocketDisconnect`,
   * unless `ending` makes something else of it.
   */
  receive (decode: Decode, patience?: Patience, ending?: Ending): Promise<unknown> {
    if (patience?.signal?.aborted === true) return rejected(patience.signal.reason)
    const data = this.#data?.shift()
    if (data !== undefined) return this.#take(data, this.#isBinary!.shift()!, decode)
    const reader = new Reader(decode, ending)
    if (this.#end !== null) {
      reader.end(this.#end)
      return reader.promise
    }
    if (patience !== undefined) reader.limit(patience, this.#readers)
    this.#readers.push(reader)
    return reader.promise
  }

  /** Nothing more is wanted: what is queued and what still arrives is dropped. */
  discard (): void {
    this.#data = this.#isBinary = null
    this.#bytes = 0
    this.seal()
  }

  /** What still arrives is dropped; what is queued can be taken. */
  seal (): void {
    this.#discarding = true
    this.#goOn()
  }

  /** Nothing more will come: readers that find no message are given the end. */
  end (end: WebSocketDisconnect): void {
    this.#end = end
    for (let reader = this.#readers.shift(); reader !== null; reader = this.#readers.shift()) reader.end(end)
  }

  #take (data: Buffer, isBinary: boolean, decode: Decode): Promise<unknown> {
    this.#bytes -= cost(data)
    if (this.#bytes <= this.#highWaterMark / 2) this.#goOn()
    try {
      const value = decode(data, isBinary)
      return value instanceof Promise ? quiet(value) : Promise.resolve(value)
    } catch (error) {
      return rejected(error)
    }
  }

  #goOn (): void {
    if (!this.#paused) return
    this.#paused = false
    this.#flow.resume()
  }
}
