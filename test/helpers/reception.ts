import type { Test } from 'tap'
import WebSocket from 'ws'
import { readClose } from '../../lib/protocol/close-frame'
import { Compression } from '../../lib/protocol/compression'
import { opcodes } from '../../lib/protocol/frame'
import { Parser, type FrameHandler } from '../../lib/protocol/parser'
import { readInto } from '../../lib/protocol/read-buffer'
import { Violation } from '../../lib/protocol/violation'
import { connectTcpPair } from './tcp'
import type { Agreement } from '../../lib/protocol/extension'

/* What the two parsers, that of this package and that of `ws`, make of the same bytes, in the same words. */

const { Receiver, PerMessageDeflate } = WebSocket as any // the types of ws lack them

export interface ReceptionOptions {
  isServer: boolean
  maxPayload: number
  /** Null without compression. */
  agreement: Agreement | null
}

function messageText (data: Buffer, isText: boolean): string {
  return `${isText ? 'text' : 'bytes'} of ${data.length}: ${data.toString('latin1')}`
}

function controlText (opcode: number, data: Buffer): string {
  return `${opcode === opcodes.PING ? 'ping' : 'pong'}: ${data.toString('latin1')}`
}

function closeText (code: number, reason: Buffer): string {
  return `close: ${code} ${reason.toString('latin1')}`
}

function errorText ({ name, message, code }: Error & { code?: string }, closeCode: unknown): string {
  return `error: ${name} ${code} ${message}, closed with ${closeCode as number}`
}

/** The code that `ws` closes with for an error of its receiver. */
function statusOf (error: Error): unknown {
  const key = Object.getOwnPropertySymbols(error).find(({ description }) => description === 'status-code')!
  return (error as any)[key]
}

/** The events of `ws`'s Receiver for `chunks`. */
export async function receiveWithWs (chunks: readonly Buffer[], options: ReceptionOptions): Promise<string[]> {
  const { isServer, maxPayload, agreement } = options
  const extensions = agreement === null ? {} : { [PerMessageDeflate.extensionName]: deflateOf(agreement, options) }
  const receiver = new Receiver({ isServer, maxPayload, maxFragments: Math.max(16_384, maxPayload / 1024), maxBufferedChunks: 0, extensions })
  const events: string[] = []
  let isOver = false
  receiver.on('message', (data: Buffer, isBinary: boolean) => events.push(messageText(data, !isBinary)))
  receiver.on('ping', (data: Buffer) => events.push(controlText(opcodes.PING, data)))
  receiver.on('pong', (data: Buffer) => events.push(controlText(opcodes.PONG, data)))
  receiver.on('conclude', (code: number, reason: Buffer) => {
    isOver = true
    events.push(closeText(code, reason))
  })
  for (const chunk of chunks) {
    if (isOver) break
    // A copy, because the receiver unmasks in place. `_write` says when all of it is read.
    await new Promise<void>((resolve) => receiver._write(Buffer.from(chunk), 'buffer', (error?: Error) => {
      if (error != null) {
        isOver = true
        events.push(errorText(error, statusOf(error)))
      }
      resolve()
    }))
  }
  extensions[PerMessageDeflate.extensionName]?.cleanup()
  return events
}

function deflateOf (agreement: Agreement, { isServer, maxPayload }: ReceptionOptions): any {
  const deflate = new PerMessageDeflate({ isServer, maxPayload, clientMaxWindowBits: agreement.clientMaxWindowBits, serverMaxWindowBits: agreement.serverMaxWindowBits })
  const flag = (name: string, isSet: boolean): object => isSet ? { [name]: [true] } : {}
  deflate.accept([{
    server_max_window_bits: [agreement.serverMaxWindowBits],
    client_max_window_bits: [agreement.clientMaxWindowBits],
    ...flag('server_no_context_takeover', agreement.serverNoContextTakeover),
    ...flag('client_no_context_takeover', agreement.clientNoContextTakeover)
  }])
  return deflate
}

/**
 * A parser of this package, and its events. It gets its bytes as from a connection: in `memory`, which the next read overwrites,
 * or in the place that the parser has for them. Without `memory`, each read has memory of its own.
 */
export class Reception implements FrameHandler {
  readonly parser: Parser
  /** How often the parser had a place for bytes, and how often it was busy. */
  places = 0
  busy = 0
  readonly #memory: Buffer | null
  /** What a message says is read at the end: its bytes must not have changed. */
  readonly #events: (() => string)[] = []
  #wake = (): void => {}

  constructor ({ isServer, maxPayload, agreement }: ReceptionOptions, memory: Buffer | null) {
    const decompressor = agreement === null ? null : new Compression(agreement, isServer, {}, maxPayload)
    this.parser = new Parser({ isServer, maxPayload, decompressor }, this)
    this.#memory = memory
    this.parser.recipient = { push: (message, bytes) => this.#push(message, bytes) }
  }

  get events (): string[] {
    return this.#events.map((event) => event())
  }

  read (bytes: Buffer): void {
    for (let rest = bytes; rest.length > 0;) {
      const { place } = this.parser
      const memory = place ?? this.#memory ?? Buffer.alloc(rest.length)
      const length = Math.min(rest.length, memory.length)
      const chunk = memory.subarray(0, length)
      rest.copy(chunk, 0, 0, length)
      rest = rest.subarray(length)
      if (place === undefined) this.#readNow(chunk)
      else {
        this.places++
        this.parser.placed(length)
      }
    }
  }

  #readNow (chunk: Buffer): void {
    this.parser.read(chunk)
    if (this.#memory !== null) chunk.fill(0xaa)
  }

  /** Resolves when no message is being decompressed in another thread. */
  async idle (): Promise<void> {
    if (this.parser.isInflating) await new Promise<void>((resolve) => { this.#wake = resolve })
  }

  #push (message: string | Buffer, bytes: number): void {
    const { isText } = this.parser
    const length = Buffer.byteLength(message)
    const isAsSaid = length === bytes && isText === (typeof message === 'string')
    this.#events.push(isAsSaid ? () => messageText(Buffer.from(message), isText) : () => `${typeof message} of ${length}, said to be ${bytes}`)
  }

  onControlFrame (opcode: number, payload: Buffer): void {
    if (this.parser.isOver) throw new Error('a control frame after the end')
    if (opcode !== opcodes.CLOSE) {
      const text = controlText(opcode, payload)
      this.#events.push(() => text)
      return
    }
    this.parser.isOver = true
    const close = readClose(payload)
    if (close instanceof Violation) this.onViolation(close)
    else this.#events.push(() => closeText(close.code, close.reason))
  }

  onViolation ({ error, closeCode }: Violation): void {
    this.#events.push(() => errorText(error, closeCode))
  }

  onBusy (): void {
    this.busy++
  }

  onIdle (): void {
    this.#wake()
  }
}

/** The memory that all connections read into. */
export async function sharedMemory (t: Test): Promise<Buffer> {
  const { client, stream } = await connectTcpPair(t)
  const memory = new Promise<Buffer>((resolve) => {
    readInto({ read: (chunk) => resolve(Buffer.from(chunk.buffer)), place: undefined, placed () {} }, stream)
  })
  client.write('a')
  return await memory
}
