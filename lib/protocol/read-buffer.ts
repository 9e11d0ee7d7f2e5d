import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/*
 * Node allocates a buffer of 64 KiB for each read. If messages are taken out of the buffer at once, the allocation is a tenth of
 * the cost of a message, or a third if a read is full of messages, and the buffer becomes garbage. So all connections read into
 * one shared buffer. A socket of Node with the option `onread` reads in this way, but a server cannot set that option for the
 * sockets that it accepts.
 */

/** The size of a read of Node, in bytes. */
const SIZE = 64 * 1024

/** The buffer that connections read into. Its content is used or copied before the next read. */
const shared = Buffer.allocUnsafeSlow(SIZE)

/** The class of Node's buffers. Its constructor is faster than `subarray`. */
const FastBuffer = (Buffer as unknown as { [Symbol.species]: new (memory: ArrayBufferLike, offset: number, length: number) => Buffer })[Symbol.species]

/** Private properties of Node's sockets: the buffer to read into, the callback of a read, and the source of the next buffer. */
const KEYS = symbolsOf(new Socket(), 'kBuffer', 'kBufferCb', 'kBufferGen')
const [kBuffer, kBufferCb, kBufferGen] = KEYS

function symbolsOf (object: object, ...names: string[]): symbol[] {
  const symbols = Object.getOwnPropertySymbols(object)
  return names.map((name) => symbols.find(({ description }) => description === name)!)
}

/** Reads the bytes of a stream. */
export interface Reader {
  /** Takes the bytes of a read. The next read may overwrite them: bytes to be kept are retained (see `retain`). */
  read (chunk: Buffer): void
  /** Where the next bytes can be read to, if they are the rest of a long message; else undefined. */
  readonly place: Buffer | undefined
  /** `count` bytes have been read into `place`. */
  placed (count: number): void
}

/** A stream has its reader under this symbol. */
export const kReader = Symbol('fastify-async-websocket.reader')

interface ReadStream extends Duplex { [kReader]?: Reader }

interface Handle {
  useUserBuffer? (memory: Buffer): void
  /** The handle below that of a TLS socket. */
  _parent?: Handle | null
}

interface ReadSocket extends Socket {
  [key: symbol]: unknown
  [kReader]?: Reader
  _handle?: Handle | null
}

/** The buffer for the next read of the connection that has just read; `undefined` for the same buffer again. */
let next: Buffer | undefined

/** Gives `reader` what is read of `stream`, from the next read on. */
export function readInto (reader: Reader, stream: Duplex): void {
  (stream as ReadStream)[kReader] = reader
  stream.on('data', onData)
  if (stream instanceof Socket && canShareMemory(stream as ReadSocket)) {
    const socket = stream as ReadSocket
    socket[kBuffer] = shared
    socket[kBufferCb] = onRead
    socket[kBufferGen] = nextMemory
    socket._handle!.useUserBuffer!(shared)
  }
}

/**
 * Whether `socket` can read into the shared buffer: its private properties are as expected, and its reads do not nest. They could
 * nest if the TLS socket is over a stream that is no network socket, since that stream may be read within a read.
 */
function canShareMemory (socket: ReadSocket): boolean {
  const { _handle: handle } = socket
  return KEYS.every((key) => socket[key] === null) && typeof handle?.useUserBuffer === 'function' &&
    (handle._parent == null || NETWORK_HANDLES.has(handle._parent.constructor.name))
}

/** The names of the handles of network sockets. */
const NETWORK_HANDLES = new Set(['TCP', 'Pipe'])

/** The listener to 'data' of all streams. */
function onData (this: ReadStream, chunk: Buffer): void {
  this[kReader]!.read(chunk)
}

/** Runs when `length` bytes have been read into `memory`: the shared buffer, or a `place`. A chunk that waits is a copy. */
function onRead (this: ReadSocket, length: number, memory: Buffer): boolean {
  const isShared = memory === shared
  const isDirect = this.readableFlowing === true && this.readableLength === 0 && isOnlyReader(this)
  next = isShared ? undefined : shared
  if (!isDirect) return this.push(copyOf(bytesOf(memory, length)))
  const reader = this[kReader]!
  if (isShared) reader.read(bytesOf(memory, length))
  else reader.placed(length)
  if (this.readableFlowing) next = reader.place ?? next
  return true
}

function bytesOf (memory: Buffer, length: number): Buffer {
  return new FastBuffer(memory.buffer, memory.byteOffset, length)
}

function isOnlyReader (socket: Socket): boolean {
  return socket.listenerCount('data') === 1 && socket.listenerCount('data', onData) === 1
}

function nextMemory (): Buffer | undefined {
  return next
}

/** Returns `chunk`, or a copy if the next read will overwrite `chunk`. */
export function retain (chunk: Buffer): Buffer {
  return chunk.buffer === shared.buffer ? copyOf(chunk) : chunk
}

/** Returns the bytes from `start` to `end` in `chunk`, or a copy if the next read will overwrite `chunk`. */
export function retainBytes (chunk: Buffer, start: number, end: number): Buffer {
  const bytes = new FastBuffer(chunk.buffer, chunk.byteOffset + start, end - start)
  return chunk.buffer === shared.buffer ? Buffer.from(bytes) : bytes
}

function copyOf (bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
