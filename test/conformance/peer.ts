import { isUtf8 } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { CLOSE, CONTINUATION, fragments, PING, PONG, TEXT, type Chop, type Frame, type Message, type Received } from './case'
import { Deflate } from './deflate'
import { closeCode, encode, FrameReader, refuse, type ServerFrame } from './frame'
import type { Answer } from './transport'

/** A client that has sent its handshake, and sends bytes. It checks that the server sends only what RFC 6455 and RFC 7692 allow. */
export class Peer {
  readonly answer: Answer
  readonly received: Received[] = []
  /** The code of the server's close frame, once it has arrived. */
  closeCode: number | null = null
  /** Whether the server has ended the connection. */
  ended = false
  /** The server's first violation. */
  violation: Error | null = null
  readonly #reader = new FrameReader()
  readonly #deflate: Deflate | null
  #message: ServerFrame | null = null
  #parts: Buffer[] = []
  #wake = (): void => {}

  constructor (answer: Answer) {
    this.answer = answer
    this.#deflate = answer.extensions === '' ? null : new Deflate(answer.extensions)
    this.#reader.compresses = this.#deflate !== null
    if (answer.refusal === undefined) this.#read()
  }

  /** The frames of a message. */
  async compress ({ opcode, payload, fragment }: Message): Promise<Frame[]> {
    const data = await this.#deflate!.compress(payload)
    const [first, ...rest] = fragments(opcode, data, fragment ?? data.length)
    return [{ ...first, rsv: 4 }, ...rest]
  }

  /** Writes frames, split as `chop` says. Each part arrives in a packet or a DATA frame of its own. */
  async write (frames: readonly (Frame | Buffer)[], chop: Chop): Promise<void> {
    const bytes = frames.map((frame) => Buffer.isBuffer(frame) ? frame : encode(frame))
    for (const part of split(bytes, chop)) {
      this.answer.stream.write(part)
      // The server is in this process, and reads each part in this turn of the event loop.
      await setImmediate()
      await setImmediate()
    }
  }

  /** Resolves when `condition` holds, the connection has ended, or the server has violated the protocol. */
  async until (condition: () => boolean): Promise<void> {
    while (!condition() && !this.ended && this.violation === null) {
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  /** As `until`, for at most this number of milliseconds. */
  async untilAtMost (milliseconds: number, condition: () => boolean): Promise<void> {
    let isOver = false
    const timer = setTimeout(() => {
      isOver = true
      this.#wake()
    }, milliseconds)
    await this.until(() => condition() || isOver)
    clearTimeout(timer)
  }

  /** Ends the client's side: in order if the server has ended its own side, else at once. */
  destroy (): void {
    if (this.ended) this.answer.stream.end()
    else this.answer.stream.destroy()
    this.#deflate?.close()
    this.ended = true
    this.#wake()
  }

  async #read (): Promise<void> {
    try {
      for await (const chunk of this.answer.stream) {
        for (const frame of this.#reader.read(chunk)) await this.#take(frame)
      }
    } catch (error) {
      if (!this.ended) this.violation = error as Error
    }
    this.ended = true
    this.#wake()
  }

  async #take (frame: ServerFrame): Promise<void> {
    if (frame.opcode === CLOSE) this.closeCode = closeCode(frame.payload)
    else if (frame.opcode === PONG || frame.opcode === PING) this.received.push(frame)
    else await this.#assemble(frame)
    this.#wake()
  }

  async #assemble (frame: ServerFrame): Promise<void> {
    if (frame.opcode !== CONTINUATION) this.#message = frame
    this.#parts.push(frame.payload)
    if (!frame.fin) return
    const { opcode, rsv } = this.#message!
    const data = Buffer.concat(this.#parts)
    this.#parts = []
    const payload = rsv === 4 ? await this.#deflate!.decompress(data) : data
    refuse(opcode === TEXT && !isUtf8(payload), 'a text that is not UTF-8')
    this.received.push({ opcode, payload })
  }
}

function split (bytes: Buffer[], chop: Chop): Buffer[] {
  if (chop === 'frames') return bytes
  const all = Buffer.concat(bytes)
  if (chop === 'whole') return [all]
  return Array.from({ length: Math.ceil(all.length / chop) }, (_, n) => all.subarray(n * chop, (n + 1) * chop))
}
