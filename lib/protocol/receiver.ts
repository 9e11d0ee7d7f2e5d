import { isUtf8 } from 'node:buffer'
import WebSocket from 'ws'
import { flushAfterTurn } from '../base/end-of-turn'
import { unmask } from './mask'
import { retainBytes, retain } from './read-buffer'
import { onlyRecipient } from './recipient'
import type { Duplex, Writable } from 'node:stream'
import type { RawWebSocket } from '../../types/raw'

/*
 * Clients mostly send small messages, one frame each, and one read brings several of them. A frame that is whole in a read needs
 * no state and no buffers of a parser, so this module takes it out of the read. The receiver of `ws` gets all other bytes in
 * order: cut frames, fragments, control frames and protocol violations.
 */

/** The part of the receiver of `ws` that this module uses. */
interface Receiver extends Omit<Writable, 'write' | 'end'> {
  /** The error that the stream has failed with. */
  readonly errored: Error | null
  write (chunk: Buffer): boolean
  end (): this
  /** The part of a frame that comes next. */
  _state: number
  /** The bytes of that part that have come. */
  _bufferedBytes: number
  _payloadLength: number
  /** The opcode of a message of which only some fragments have come, or 0. */
  _fragmented: number
  _errored: boolean
  /** Bytes; 0 is no limit. */
  _maxPayload: number
  _binaryType: string
}

const GET_INFO = 0
const GET_DATA = 4

/** The first byte of a text frame and of a binary frame: FIN, no reserved bit, and the opcode. */
const TEXT = 0x81
const BINARY = 0x82

/** The bytes of the header of a masked frame. A length of 16 bits takes two bytes more. */
const HEADER = 6
const MASKED = 0x80
const LENGTH_16 = 126

const { prototype: parser } = (WebSocket as unknown as { Receiver: { prototype: Receiver } }).Receiver

/** The receiver of a socket of this package. */
interface EndReceiver extends Receiver { stream: Duplex }
interface MessageReceiver extends EndReceiver { raw: RawWebSocket }

/**
 * The receiver emits a close frame or a violation at the end of the turn, so that the answers of handlers to the messages before
 * it go out first. If the stream ends or closes within the turn, the receiver emits the event before the end of the stream.
 */
const endOverrides = {
  emit (this: EndReceiver, event: string, ...args: unknown[]): boolean {
    if ((event !== 'conclude' && event !== 'error') || this.stream.destroyed) return parser.emit.call(this, event, ...args)
    let isEmitted = false
    const flush = (): void => {
      if (isEmitted) return
      isEmitted = true
      parser.emit.call(this, event, ...args)
    }
    this.stream.prependOnceListener('end', flush).prependOnceListener('close', flush)
    flushAfterTurn({ flush })
    return true
  },

  write (this: EndReceiver, chunk: Buffer): boolean {
    return isOver(this) || parser.write.call(this, chunk)
  },

  // `ws` ends its receiver up to three times. For each end after the first, Node makes an error with a stack that no listener gets.
  end (this: Receiver): Receiver {
    return this.writableEnded ? this : parser.end.call(this)
  }
}

const endPrototype = Object.create(parser, Object.getOwnPropertyDescriptors(endOverrides))

/** Until the end is emitted, `ws` goes on writing to its receiver. Bytes after the end do not count. */
function isOver (receiver: Receiver): boolean {
  return receiver.writableEnded || receiver._errored
}

/** The receiver takes whole messages out of each read before the receiver of `ws` gets the rest. */
const overrides = {
  write (this: MessageReceiver, chunk: Buffer): boolean {
    if (isOver(this)) return true
    const missing = this._state === GET_DATA ? this._payloadLength - this._bufferedBytes : 0
    if (missing > 0 && missing < chunk.length) { // the payload of the cut frame first, then the frames behind it
      parser.write.call(this, retain(chunk.subarray(0, missing)))
      return this.write(chunk.subarray(missing))
    }
    const offset = isBetweenMessages(this) ? takeMessages(this, chunk) : 0
    return offset === chunk.length || parser.write.call(this, retain(chunk.subarray(offset)))
  }
}

const prototype = Object.create(endPrototype, Object.getOwnPropertyDescriptors(overrides))

/** Makes the receiver of `raw`, which reads `stream`, emit a close frame or a violation at the end of the turn. */
export function deferEnds (raw: object, stream: Duplex): void {
  const { _receiver: receiver } = raw as { _receiver: EndReceiver }
  if (Object.getPrototypeOf(receiver) !== parser) return
  receiver.stream = stream
  Object.setPrototypeOf(receiver, endPrototype)
}

/**
 * Takes the messages that are whole in a read out before the receiver of `ws` gets it. `raw` is the socket of a server without
 * extensions, after `deferEnds`. Does nothing if the receiver is not in the expected state.
 */
export function readWholeMessages (raw: object): void {
  const { _receiver: receiver } = raw as { _receiver: MessageReceiver }
  if (Object.getPrototypeOf(receiver) !== endPrototype || !isBetweenMessages(receiver) || receiver._payloadLength !== 0) return
  receiver.raw = raw as RawWebSocket
  Object.setPrototypeOf(receiver, prototype)
}

/** Whether `readWholeMessages` works on `raw`. If so, `raw` keeps no part of the chunks that it reads. */
export function readsWholeMessages (raw: object): boolean {
  return Object.getPrototypeOf((raw as { _receiver: Receiver })._receiver) === prototype
}

/** The reason of a close with 1009: the receiver of `raw` fails with 1009 only for length. Undefined if it has not failed. */
export function oversizeReason (raw: object): string | undefined {
  const { _receiver: receiver } = raw as { _receiver?: Receiver }
  return receiver?.errored == null ? undefined : `message larger than ${receiver._maxPayload} bytes`
}

function isBetweenMessages (receiver: Receiver): boolean {
  return receiver._state === GET_INFO && receiver._bufferedBytes === 0 && receiver._fragmented === 0 &&
    receiver._errored === false && receiver._binaryType === 'nodebuffer'
}

/** Delivers the whole messages that `chunk` begins with. Returns the start of the first other frame. */
function takeMessages (receiver: MessageReceiver, chunk: Buffer): number {
  const recipient = onlyRecipient(receiver.raw)
  const maxLength = receiver._maxPayload > 0 ? receiver._maxPayload : Infinity
  let offset = 0
  while (chunk.length - offset >= HEADER) {
    const first = chunk[offset]
    if (first !== TEXT && first !== BINARY) break
    let length = chunk[offset + 1] - MASKED
    let start = offset + HEADER
    if (length === LENGTH_16) {
      length = chunk[offset + 2] << 8 | chunk[offset + 3]
      start += 2
    } else if (length < 0 || length > LENGTH_16) break
    const end = start + length
    if (end > chunk.length || length > maxLength) break
    const isAscii = unmask(chunk, start, end)
    if (first === TEXT && !isAscii && !isUtf8(chunk.subarray(start, end))) {
      unmask(chunk, start, end) // masks again, for the receiver of `ws`, which fails the connection
      break
    }
    offset = end
    if (recipient === null) receiver.emit('message', retainBytes(chunk, start, end), first === BINARY)
    else recipient.push(first === BINARY ? retainBytes(chunk, start, end) : chunk.toString(isAscii ? 'latin1' : 'utf8', start, end), length)
  }
  return offset
}
