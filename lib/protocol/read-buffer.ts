import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { isOnlyListener } from './recipient'
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

interface ReadingSocket extends Socket {
  [key: symbol]: unknown
  _handle?: { useUserBuffer? (memory: Buffer): void } | null
}

function symbolsOf (object: object, ...names: string[]): symbol[] {
  const symbols = Object.getOwnPropertySymbols(object)
  return names.map((name) => symbols.find(({ description }) => description === name)!)
}

/** The `data` listener of `ws`, one function for all sockets; undefined until a socket with it has been seen. */
let parse: Function | undefined

/** The bytes of the current read that are retained. */
let kept = 0

/** The buffer for the next read of the connection that has just read; `undefined` for the same buffer again. */
let next: Buffer | undefined

/**
 * Makes `stream`, to which `ws` listens, read into the shared buffer. The chunks that `ws` gets are views of that buffer: code
 * that keeps them calls `retain` or `retainBytes`. A stream reads as before if it is no socket of Node, if it has another `data`
 * listener, or if its private properties differ from the expected ones.
 */
export function shareMemory (stream: Duplex): void {
  const socket = stream as ReadingSocket
  if (stream.listenerCount('data') === 1) parse ??= stream.listeners('data')[0]
  const isAsExpected = stream instanceof Socket && KEYS.every((key) => socket[key] === null) && typeof socket._handle?.useUserBuffer === 'function'
  if (!isAsExpected || !isOnlyListener(stream, 'data', parse!)) return
  socket[kBuffer] = shared
  socket[kBufferCb] = onRead
  socket[kBufferGen] = nextMemory
  socket._handle!.useUserBuffer!(shared)
}

/** Runs when `length` bytes have been read into `memory`. A chunk that waits, or that other listeners may keep, is a copy. */
function onRead (this: Socket, length: number, memory: Buffer): boolean {
  const isShared = memory === shared
  const read = new FastBuffer(memory.buffer, 0, length)
  const chunk = isShared || length === SIZE ? read : copyOf(read)
  kept = 0
  const goesOn = this.readableFlowing === true && this.readableLength === 0 && isOnlyListener(this, 'data', parse!)
    ? this.emit('data', chunk)
    : this.push(retain(chunk))
  // A large message is retained as a whole. While a connection fills a read and most of it is retained, the connection gets a new
  // buffer for each read, as in Node, which saves the copy. It gets none when it has nothing more to read or is paused.
  const keepsAll = length === SIZE && kept > SIZE / 2 && this.readableFlowing === true
  next = keepsAll ? Buffer.allocUnsafeSlow(SIZE) : isShared ? undefined : shared
  return goesOn
}

function nextMemory (): Buffer | undefined {
  return next
}

/** Returns `chunk`, or a copy if the next read will overwrite `chunk`. */
export function retain (chunk: Buffer): Buffer {
  kept += chunk.length
  return chunk.buffer === shared.buffer ? copyOf(chunk) : chunk
}

/** Returns the bytes from `start` to `end` in `chunk`, or a copy if the next read will overwrite `chunk`. */
export function retainBytes (chunk: Buffer, start: number, end: number): Buffer {
  kept += end - start
  const bytes = new FastBuffer(chunk.buffer, chunk.byteOffset + start, end - start)
  return chunk.buffer === shared.buffer ? Buffer.from(bytes) : bytes
}

function copyOf (bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
