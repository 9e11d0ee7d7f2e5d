import { isUtf8 } from 'node:buffer'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { CLOSE, CONTINUATION, fragments, PING, PONG, TEXT, type Chop, type Frame, type Message, type Received } from './case'
import { Deflate } from './deflate'
import { closeCode, encode, FrameReader, refuse, type ServerFrame } from './frame'

/** RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** The server's response to the handshake. */
export interface Answer {
  status: number
  extensions: string
}

/** A client that sends bytes. It checks that the server sends only what RFC 6455 and RFC 7692 allow. */
export class Peer {
  readonly received: Received[] = []
  /** The code of the server's close frame, once it has arrived. */
  closeCode: number | null = null
  /** Whether the server has ended the connection. */
  ended = false
  /** The server's first violation. */
  violation: Error | null = null
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<Buffer>
  readonly #reader = new FrameReader()
  #deflate: Deflate | null = null
  #message: ServerFrame | null = null
  #parts: Buffer[] = []
  #wake = (): void => {}

  static async connect (port: number): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return new Peer(socket)
  }

  private constructor (socket: Socket) {
    this.#socket = socket
    this.#chunks = socket[Symbol.asyncIterator]()
    socket.on('error', () => {}) // a write after the server has ended the connection; the received bytes show the end
  }

  /** Opens the WebSocket connection. Throws `ProtocolViolation` for an invalid response. */
  async open (path: string, offer?: string): Promise<Answer> {
    const key = randomBytes(16).toString('base64')
    const lines = [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`]
    if (offer !== undefined) lines.push(`Sec-WebSocket-Extensions: ${offer}`)
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`)

    let response = ''
    while (!response.includes('\r\n\r\n')) response += await this.#chunk()
    const [head] = response.split('\r\n\r\n', 1)
    const header = (name: string): string => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1].trim() ?? ''
    const answer = { status: Number(head.split(' ')[1]), extensions: header('sec-websocket-extensions') }
    if (answer.status !== 101) return answer

    refuse(header('upgrade').toLowerCase() !== 'websocket' || header('connection').toLowerCase() !== 'upgrade', 'a 101 without an upgrade')
    refuse(header('sec-websocket-accept') !== createHash('sha1').update(key + GUID).digest('base64'), 'a wrong Sec-WebSocket-Accept')
    if (answer.extensions !== '') {
      this.#deflate = new Deflate(answer.extensions)
      this.#reader.compresses = true
    }
    this.#read(Buffer.from(response.slice(head.length + 4), 'latin1'))
    return answer
  }

  /** The frames of a message. */
  async compress ({ opcode, payload, fragment }: Message): Promise<Frame[]> {
    const data = await this.#deflate!.compress(payload)
    const [first, ...rest] = fragments(opcode, data, fragment ?? data.length)
    return [{ ...first, rsv: 4 }, ...rest]
  }

  /** Writes frames, split as `chop` says. Each part arrives in a packet of its own. */
  async write (frames: readonly (Frame | Buffer)[], chop: Chop): Promise<void> {
    const bytes = frames.map((frame) => Buffer.isBuffer(frame) ? frame : encode(frame))
    for (const part of split(bytes, chop)) {
      this.#socket.write(part)
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

  destroy (): void {
    this.#socket.destroy()
    this.#deflate?.close()
    this.ended = true
    this.#wake()
  }

  async #chunk (): Promise<string> {
    const { value, done } = await this.#chunks.next()
    refuse(done === true, 'nothing more in the handshake')
    return value.toString('latin1')
  }

  async #read (first: Buffer): Promise<void> {
    try {
      for (let chunk = first; ;) {
        for (const frame of this.#reader.read(chunk)) await this.#take(frame)
        const { value, done } = await this.#chunks.next()
        if (done === true) break
        chunk = value
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
