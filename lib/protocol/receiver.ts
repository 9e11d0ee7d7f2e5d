import { isUtf8 } from 'node:buffer'
import WebSocket from 'ws'
import { flushAfterTurn } from '../base/end-of-turn'
import { unmask } from './mask'
import { bytesIn, own } from './read-buffer'
import { onlyRecipient } from './recipient'
import type { Duplex, Writable } from 'node:stream'
import type { RawWebSocket } from '../../types/raw'

/*
 * Most of what a client sends are small messages, each a frame of its own, of which several come with one read. What is
 * whole in a read needs no parser's states and buffers: it is taken out here. All else, in bytes and in order, is for the
 * receiver of `ws`: frames that are cut, fragments, control frames, what is against the protocol.
 */

/** What is known here of the receiver of `ws`. */
interface Receiver extends Omit<Writable, 'write' | 'end'> {
  /** What it has failed with, as any stream. */
  readonly errored: Error | null
  write (chunk: Buffer): boolean
  end (): this
  /** Which part of a frame comes next. */
  _state: number
  /** What it has of that part. */
  _bufferedBytes: number
  _payloadLength: number
  /** The opcode of the message whose fragments are coming, or 0. */
  _fragmented: number
  _errored: boolean
  /** Bytes; 0 is no limit. */
  _maxPayload: number
  _binaryType: string
}

const GET_INFO = 0
const GET_DATA = 4

/** FIN, no reserved bit, and the opcode of a message. */
const TEXT = 0x81
const BINARY = 0x82

/** What a header of a masked frame takes, and two bytes more where those have the length. */
const HEADER = 6
const MASKED = 0x80
const LENGTH_16 = 126

const { prototype: parser } = (WebSocket as unknown as { Receiver: { prototype: Receiver } }).Receiver

/** The receiver of a socket here. */
interface EndReceiver extends Receiver { stream: Duplex }
interface MessageReceiver extends EndReceiver { raw: RawWebSocket }

/**
 * A close frame, or a violation, is told of at the end of the turn: what handlers send because of the messages before it
 * goes out first. Where the stream ends or closes within the turn, it is told of before that.
 */
const endOverrides = {
  emit (this: EndReceiver, event: string, ...args: unknown[]): boolean {
    if ((event !== 'conclude' && event !== 'error') || this.stream.destroyed) return parser.emit.call(this, event, ...args)
    let isTold = false
    const flush = (): void => {
      if (isTold) return
      isTold = true
      parser.emit.call(this, event, ...args)
    }
    this.stream.prependOnceListener('end', flush).prependOnceListener('close', flush)
    flushAfterTurn({ flush })
    return true
  },

  // Until the end is told of, `ws` goes on with what is read: nothing counts that comes after it.
  write (this: EndReceiver, chunk: Buffer): boolean {
    return this.writableEnded || this._errored || parser.write.call(this, chunk)
  },

  // `ws` ends it up to three times, and each but the first has Node make an error, with its stack, that nobody is given.
  end (this: Receiver): Receiver {
    return this.writableEnded ? this : parser.end.call(this)
  }
}

const endPrototype = Object.create(parser, Object.getOwnPropertyDescriptors(endOverrides))

/** What the receiver of `ws` does otherwise where messages are taken out before it. */
const overrides = {
  write (this: MessageReceiver, chunk: Buffer): boolean {
    if (this.writableEnded || this._errored) return true
    const missing = this._state === GET_DATA ? this._payloadLength - this._bufferedBytes : 0
    if (missing > 0 && missing < chunk.length) { // else the frames behind it would be taken for its
      parser.write.call(this, own(chunk.subarray(0, missing)))
      return this.writableEnded || this._errored || this.write(chunk.subarray(missing))
    }
    const offset = isBetweenMessages(this) ? takeMessages(this, chunk) : 0
    return offset === chunk.length || parser.write.call(this, own(chunk.subarray(offset)))
  }
}

const prototype = Object.create(endPrototype, Object.getOwnPropertyDescriptors(overrides))

/** Has `raw`, which reads `stream`, told of a close frame or a violation at the end of the turn in which it has come. */
export function putEndsOff (raw: object, stream: Duplex): void {
  const { _receiver: receiver } = raw as { _receiver: EndReceiver }
  if (Object.getPrototypeOf(receiver) !== parser) return
  receiver.stream = stream
  Object.setPrototypeOf(receiver, endPrototype)
}

/** Takes the messages that are whole in a read out before the receiver of `raw`, the socket of a server without extensions, after `putEndsOff`. */
export function readWholeMessages (raw: object): void {
  const { _receiver: receiver } = raw as { _receiver: MessageReceiver }
  if (Object.getPrototypeOf(receiver) !== endPrototype || !isBetweenMessages(receiver) || receiver._payloadLength !== 0) return
  receiver.raw = raw as RawWebSocket
  Object.setPrototypeOf(receiver, prototype)
}

/** Whether they are taken out: then `raw` keeps nothing of what it is given to read. */
export function readsWholeMessages (raw: object): boolean {
  return Object.getPrototypeOf((raw as { _receiver: Receiver })._receiver) === prototype
}

/** What a peer is told with 1009: undefined unless the receiver of `raw` has failed, which it does with 1009 for a length only. */
export function oversizeIn (raw: object): string | undefined {
  const { _receiver: receiver } = raw as { _receiver?: Receiver }
  return receiver?.errored == null ? undefined : `message larger than ${receiver._maxPayload} bytes`
}

function isBetweenMessages (receiver: Receiver): boolean {
  return receiver._state === GET_INFO && receiver._bufferedBytes === 0 && receiver._fragmented === 0 &&
    receiver._errored === false && receiver._binaryType === 'nodebuffer'
}

/** Tells of the messages that `chunk` begins with. Returns where the first frame begins that is none of them. */
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
      unmask(chunk, start, end) // for the parser, which knows what becomes of it
      break
    }
    offset = end
    if (recipient === null) receiver.emit('message', bytesIn(chunk, start, end), first === BINARY)
    else recipient.push(first === BINARY ? bytesIn(chunk, start, end) : chunk.toString(isAscii ? 'latin1' : 'utf8', start, end), length)
  }
  return offset
}
