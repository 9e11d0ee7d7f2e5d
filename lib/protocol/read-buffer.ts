import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import { isOnlyListener } from './recipient'
import type { Duplex } from 'node:stream'

/*
 * Node makes a buffer of 64 KiB for each read. Where messages are taken out of it at once, that is a tenth of what a
 * message costs, or a third where a read is full of them, and garbage. So connections read into one memory, in the way in
 * which a socket of Node does that was made with the option `onread`, which a server cannot give to those that it accepts.
 */

/** What Node reads at a time, in bytes. */
const SIZE = 64 * 1024

/** What is read is used up, or copied, before the next read. */
const shared = Buffer.allocUnsafeSlow(SIZE)

/** What Node makes buffers of: `subarray` takes longer. */
const FastBuffer = (Buffer as unknown as { [Symbol.species]: new (memory: ArrayBufferLike, offset: number, length: number) => Buffer })[Symbol.species]

/** Where a socket of Node's reads into, whom it tells of that, and whom it asks for the memory of the next read. */
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

/** The listener of `ws` to the streams of its sockets, which is one function; undefined until it has been seen. */
let parse: Function | undefined

/** How many bytes of this read are kept by somebody. */
let kept = 0

/** The memory of the next read of the connection that has just read; `undefined` is the same again. */
let next: Buffer | undefined

/**
 * From now on `stream`, to which `ws` listens, reads into the shared memory: what `ws` is given is part of that, and is to
 * be kept as `own` and `bytesIn` do. A stream that is no socket of Node's, to which somebody else listens as well, or that
 * is not as expected, reads as before.
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

/** `length` bytes have been read into `memory`. What cannot be taken yet, or what somebody else may keep, is a copy. */
function onRead (this: Socket, length: number, memory: Buffer): boolean {
  const isShared = memory === shared
  const read = new FastBuffer(memory.buffer, 0, length)
  const chunk = isShared || length === SIZE ? read : copyOf(read)
  kept = 0
  const goesOn = this.readableFlowing === true && this.readableLength === 0 && isOnlyListener(this, 'data', parse!)
    ? this.emit('data', chunk)
    : this.push(own(chunk))
  // Of large messages all is kept: those who send them have a memory for each read, as Node does it, as long as there is
  // more to read than that takes. Whoever has nothing more to send has none, and who is paused has none meanwhile.
  const keepsAll = length === SIZE && kept > SIZE / 2 && this.readableFlowing === true
  next = keepsAll ? Buffer.allocUnsafeSlow(SIZE) : isShared ? undefined : shared
  return goesOn
}

function nextMemory (): Buffer | undefined {
  return next
}

/** `chunk`, which is kept: as a copy, if the next read is written over it. */
export function own (chunk: Buffer): Buffer {
  kept += chunk.length
  return chunk.buffer === shared.buffer ? copyOf(chunk) : chunk
}

/** The bytes from `start` to `end` in `chunk`, to be kept. */
export function bytesIn (chunk: Buffer, start: number, end: number): Buffer {
  kept += end - start
  const bytes = new FastBuffer(chunk.buffer, chunk.byteOffset + start, end - start)
  return chunk.buffer === shared.buffer ? Buffer.from(bytes) : bytes
}

function copyOf (bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
