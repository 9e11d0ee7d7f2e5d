import { Blob, Buffer } from 'node:buffer'
import { EventEmitter } from 'node:events'
import WebSocket from 'ws'
import { MAX_REASON_BYTES } from '../base/close-reason'
import { isSendable } from '../base/closing'
import { guard } from '../base/user-code'
import { OPEN, type Endpoint } from './endpoint'
import { BINARY, FIN, MAX_CONTROL_PAYLOAD, OPCODE, opcodes, payloadLength, TEXT } from './frame'
import type { Message } from '../codec/decode'
import type { Payload } from '../codec/encode'
import type { OnWritten } from './frame-writer'
import type { RawSendOptions, RawWebSocket } from '../../types/raw'

type Callback = (error?: any) => void

const EMPTY = Buffer.alloc(0)

const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']

/** The values of `binaryType`: what a listener to 'message' gets for bytes. */
const BINARY_TYPES: Record<string, (bytes: Buffer) => unknown> = {
  nodebuffer: (bytes) => bytes,
  arraybuffer: ({ buffer, byteOffset, length }) => buffer.slice(byteOffset, byteOffset + length),
  fragments: (bytes) => [bytes],
  blob: (bytes) => new Blob([bytes])
}

/** The class `WebSocket` of `ws`, as a server calls it. Of it come the constants, the `on…` attributes and `addEventListener`. */
const Base = WebSocket as unknown as new (address: null, protocols: undefined, options: object) => EventEmitter

/**
 * `ws.raw`: the public interface of the `WebSocket` of `ws`, over an endpoint. It is made when somebody first asks for it. Its
 * frames keep their place among those of the session.
 */
export class SessionWebSocket extends Base implements RawWebSocket {
  readonly protocol: string
  readonly extensions: string
  readonly #endpoint: Endpoint
  #binaryType = 'nodebuffer'
  /** The first byte of the message of which only fragments have been sent; null if there is none. */
  #begun: number | null = null
  /** The bytes of its fragments. */
  #begunBytes = 0
  /** Settles when the blobs that were sent before have been read; null unless one is being read. */
  #blobs: Promise<void> | null = null
  /** The bytes of the blobs that are being read and of what waits for them, and the bytes that were sent too late. */
  #bufferedBytes = 0

  constructor (endpoint: Endpoint, protocol: string, extensions: string) {
    super(null, undefined, {})
    this.protocol = protocol
    this.extensions = extensions
    this.#endpoint = endpoint
    Object.assign(this, { _socket: endpoint.stream, _isServer: endpoint.parser.isServer }) // `createWebSocketStream` looks at the stream
  }

  get readyState (): number {
    return this.#endpoint.readyState
  }

  get bufferedAmount (): number {
    return this.#endpoint.bufferedAmount + this.#bufferedBytes
  }

  get isPaused (): boolean {
    return this.#endpoint.isPaused
  }

  get url (): undefined {
    return undefined
  }

  get binaryType (): string {
    return this.#binaryType
  }

  set binaryType (type: string) {
    if (Object.hasOwn(BINARY_TYPES, type)) this.#binaryType = type
  }

  /** Emits a message that has arrived. */
  deliver (message: Message, isText: boolean): void {
    const bytes = typeof message === 'string' ? Buffer.from(message) : message
    this.emit('message', isText ? bytes : BINARY_TYPES[this.#binaryType](bytes), !isText)
  }

  /** Emits an error. As with other sockets of the package, an error without a listener does nothing. */
  fail (error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
  }

  /** Sends a message, or a fragment of one with `fin: false`. Fragments are not compressed. */
  send (data: unknown, options?: RawSendOptions | Callback, callback?: Callback): void {
    if (typeof options === 'function') return this.send(data, undefined, options)
    const payload = payloadOf(data)
    const { binary = typeof payload !== 'string', compress = true, fin = true, mask } = options ?? {}
    this.#whenOpen(payload, callback, (payload) => {
      const firstByte = binary ? BINARY : TEXT
      if (fin && compress && mask === undefined && this.#begun === null) this.#endpoint.writer.add(payload, callback, firstByte)
      else this.#sendFragment(payload, firstByte, fin, callback, mask)
    })
  }

  /** Sends a frame of a message, which may be the only one. The message counts when it is whole. */
  #sendFragment (payload: Payload, firstByte: number, fin: boolean, callback?: Callback, mask?: boolean): void {
    const { writer } = this.#endpoint
    const opcode = this.#begun === null ? firstByte & OPCODE : opcodes.CONTINUATION
    this.#begun ??= firstByte
    this.#begunBytes += payloadLength(payload)
    writer.addFrame(fin ? FIN | opcode : opcode, payload, callback, mask)
    if (!fin) return
    writer.count(this.#begunBytes, this.#begun)
    this.#begun = null
    this.#begunBytes = 0
  }

  ping (data?: unknown, mask?: boolean | Callback, callback?: Callback): void {
    this.#sendControl((payload, onWritten, isMasked) => this.#endpoint.ping(payload, onWritten, isMasked), data, mask, callback)
  }

  pong (data?: unknown, mask?: boolean | Callback, callback?: Callback): void {
    this.#sendControl((payload, onWritten, isMasked) => this.#endpoint.pong(payload, onWritten, isMasked), data, mask, callback)
  }

  close (code?: number, reason: string | Buffer = ''): void {
    if (this.readyState !== OPEN) return
    if (code !== undefined && !isSendable(code)) throw new TypeError('First argument must be a valid error code number')
    if (Buffer.byteLength(reason) > MAX_REASON_BYTES) throw new RangeError(`The message must not be greater than ${MAX_REASON_BYTES} bytes`)
    this.#afterBlobs(() => this.#writeNow(() => this.#endpoint.close(code, reason)))
  }

  terminate (): void {
    this.#endpoint.terminate()
  }

  pause (): void {
    this.#endpoint.pause()
  }

  resume (): void {
    this.#endpoint.resume()
  }

  #sendControl (send: (payload: string | Uint8Array, onWritten?: OnWritten, isMasked?: boolean) => void, data: unknown, mask?: boolean | Callback, callback?: Callback): void {
    if (typeof data === 'function') return this.#sendControl(send, undefined, undefined, data as Callback)
    if (typeof mask === 'function') return this.#sendControl(send, data, undefined, mask)
    const payload = payloadOf(data)
    if (lengthOf(payload) > MAX_CONTROL_PAYLOAD && this.readyState === OPEN) throw new RangeError(`The data size must not be greater than ${MAX_CONTROL_PAYLOAD} bytes`)
    this.#whenOpen(payload, callback, (payload) => send(payload, callback, mask))
  }

  /** Calls `send` with the payload after the blobs that were sent before. If the connection is not open then, `callback` gets an error. */
  #whenOpen (payload: string | Uint8Array | Blob, callback: Callback | undefined, send: (payload: string | Uint8Array) => void): void {
    if (this.readyState !== OPEN) this.#refuse(lengthOf(payload), callback)
    else if (this.#blobs === null && !(payload instanceof Blob)) this.#writeNow(() => send(payload))
    else this.#sendLater(payload, callback, send)
  }

  /** Nothing follows a close frame: `length` bytes were sent too late. */
  #refuse (length: number, callback: Callback | undefined): void {
    this.#bufferedBytes += length
    const error = new Error(`WebSocket is not open: readyState ${this.readyState} (${STATES[this.readyState]})`)
    if (callback !== undefined) process.nextTick(callback, error)
  }

  /** Sends `payload` when it and the blobs before it have been read. As in `ws`, a blob that cannot be read ends the connection. */
  #sendLater (payload: string | Uint8Array | Blob, callback: Callback | undefined, send: (payload: string | Uint8Array) => void): void {
    const length = lengthOf(payload)
    const reading = payload instanceof Blob ? payload.arrayBuffer().then((bytes) => new Uint8Array(bytes), (error: Error) => error) : payload
    this.#bufferedBytes += length
    this.#wait(async () => {
      const read = await reading
      this.#bufferedBytes -= length
      if (this.readyState !== OPEN) return this.#refuse(length, callback)
      if (!(read instanceof Error)) return this.#writeNow(() => send(read))
      if (callback !== undefined) process.nextTick(callback, read)
      this.fail(read)
      this.terminate()
    })
  }

  /** As in `ws`, what is sent is written at once, and with it what the session has sent before in this turn. */
  #writeNow (send: () => void): void {
    send()
    this.#endpoint.writer.flush()
  }

  #afterBlobs (action: () => void): void {
    if (this.#blobs === null) action()
    else this.#wait(action)
  }

  /** Runs `action` after the blobs that were sent before. */
  #wait (action: () => unknown): void {
    const waiting = Promise.resolve(this.#blobs).then(action).then(() => { if (this.#blobs === waiting) this.#blobs = null })
    this.#blobs = waiting
  }
}

/** What a method of `ws` makes of its data. Throws a `TypeError` for data that cannot be sent. */
function payloadOf (data: unknown): string | Uint8Array | Blob {
  if (typeof data === 'string' || data instanceof Blob) return data
  if (typeof data === 'number') return String(data)
  if (!data) return EMPTY
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return Buffer.from(data as ArrayBuffer)
}

function lengthOf (payload: string | Uint8Array | Blob): number {
  return payload instanceof Blob ? payload.size : Buffer.byteLength(payload)
}

/**
 * Guards the listeners of a socket that the user gets: they cannot end the process. The error of a listener that throws, or
 * whose promise rejects, goes to `onFailure`, which must not throw and fails the connection. After the first error, listeners get
 * only `close` and `error` events.
 */
export function guardListeners (raw: RawWebSocket, onFailure: (error: unknown) => void): void {
  if (Object.hasOwn(raw, 'emit')) return
  let hasFailed = false
  const fail = (error: unknown): void => {
    hasFailed = true
    onFailure(error)
  }
  raw.emit = (event, ...args) => {
    if (hasFailed && event !== 'close' && event !== 'error') return false
    const listeners = raw.rawListeners(event)
    for (const listener of listeners) guard(() => Reflect.apply(listener, raw, args), fail)
    return listeners.length > 0
  }
}
