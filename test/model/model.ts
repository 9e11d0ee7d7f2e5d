import { STATUS_CODES } from 'node:http'
import { closeCodes } from '../../lib/base/close-codes'
import { cutReason } from '../../lib/base/closing'
import type { Sent } from '../helpers/byte-peer'

/*
 * A model of a connection, as the documentation describes it: the server's session with its calls and incoming bytes, the
 * client and what it sees, and two pipes between the two sides. The pipes move only in `move`.
 */

export type Message = string | Buffer
export type Type = 'any' | 'text' | 'bytes' | 'json' | 'integer' | 'boolean'

/** What the client can send to the server after the request of the handshake. */
export type Said =
  | { message: Message }
  | { ping: string }
  | { pong: string }
  | { close: number, reason: string }
  /** A protocol violation, as the close code with which the server answers it. */
  | { wrong: number }
  | { end: true }
  | { reset: true }

export interface End { code: number, reason: string, wasClean: boolean }

export interface ModelSetting {
  catchDisconnect: boolean
  /** Whether the client answers a close frame. */
  answersClose: boolean
  /** Whether the server refuses a handshake with a response, or with a connection that it closes at once. */
  refusal: 'http' | 'close'
  /** Whether the route has `onConnect`, `onMessage` and `onDisconnect` instead of one handler. */
  hasSessionHandlers: boolean
}

/** A call on the session, and its expected outcome: null while the call is expected to wait. */
export class Call {
  expected: string | null = null

  constructor (readonly name: string) {}

  get waits (): boolean {
    return this.expected === null
  }
}

/** A call that waits for a message. */
interface Reader {
  call: Call
  /** Sets the outcome of the call for a message. */
  take (message: Message): void
  end (end: End): void
}

export const HANDSHAKE_ERROR = 'WebSocketHandshakeError'
/** In bytes: the limit for one message. The close reason for a longer message names it. */
export const MAX_PAYLOAD = 1000
const LOST: End = { code: 1006, reason: '', wasClean: false }

/** A value, or the name of an error, as a text that can be compared. */
export function show (value: unknown): string {
  return JSON.stringify(value, (_, v) => v?.type === 'Buffer' ? `<${Buffer.from(v.data).toString('hex')}>` : v) ?? 'nothing'
}

export function showEnd ({ code, reason, wasClean }: End): string {
  return `WebSocketDisconnect ${code} '${reason}' ${wasClean ? 'clean' : 'lost'}`
}

/** Returns the outcome of `receive(type)` for a message. */
export function decode (type: Type, message: Message): string {
  const text = String(message)
  const misfit = 'WebSocketDecodeError'
  if (type === 'any') return show(message)
  if (type === 'bytes') return show(Buffer.from(message as string))
  if (type === 'json') {
    try {
      return show(JSON.parse(text))
    } catch {
      return misfit
    }
  }
  if (typeof message !== 'string') return misfit
  if (type === 'text') return show(message)
  if (type === 'integer') return /^\d+$/.test(text) ? String(Number(text)) : misfit
  return text === 'true' || text === 'false' ? text : /^\d+$/.test(text) ? String(Number(text) !== 0) : misfit
}

export class Model {
  state: 'connecting' | 'open' | 'closing' | 'closed' = 'connecting'
  accepted = false
  end: End | null = null
  readonly calls: Call[] = []
  /** What the client has received. */
  readonly seen: Sent[] = []
  /** The number of lines with errors in the log. */
  errors = 0
  /** Whether the handler, or `onConnect` in its place, has ended. */
  handlerEnded = false
  /** The messages that `onMessage` was called with, and whether it is still at work. */
  readonly handled: string[] = []
  isHandling = false
  /** After `terminate`. A client that answers now gets a reset, which discards the bytes that it has not read yet. */
  isTerminated = false

  clientReads = true
  /** Whether the client has sent only the beginning of a message, or of a frame. */
  unfinished: 'message' | 'frame' | null = null
  unfinishedMessage: Message = ''
  clientClosed = false
  clientEnded = false
  clientReset = false

  readonly #setting: ModelSetting
  #toServer: Said[] = []
  #toClient: Sent[] = []
  #queue: Message[] = []
  #readers: Reader[] = []
  /** Calls that settle when the connection ends, with the function that returns their outcome. */
  #ending: { call: Call, end (end: End): string }[] = []
  #pings: Call[] = []
  #isDiscarding = false
  #isDestroyed = false
  #isUpgraded = false
  /** The client's close frame. */
  #closeFrame: End | null = null
  /** The end that the server has begun with `close`. */
  #ownEnd: End | null = null
  #hasSentClose = false
  #hasEnded = false
  /** Whether the server has stopped reading frames, after a close frame or a violation. */
  #isDeaf = false
  /** Whether messages waited when the connection ended, and the handler is still taking them. */
  #isCatchingUp = false
  #isServed = false
  #hasThrownDisconnect = false
  #isConnectReported = false
  #isDisconnectReported = false

  constructor (setting: ModelSetting) {
    this.#setting = setting
  }

  /** The expected calls of `onDisconnect`. */
  get disconnected (): string[] {
    return this.#setting.hasSessionHandlers && this.#isServed && this.accepted && this.end !== null ? [showEnd(this.end)] : []
  }

  /** Whether the server's side of the connection still exists. */
  get isServerThere (): boolean {
    return this.state !== 'closed' && !this.#isDestroyed
  }

  get isClientThere (): boolean {
    return !this.clientEnded && !this.clientReset
  }

  /** Whether data is under way, so that the state that a call meets is uncertain. */
  get isMoving (): boolean {
    return this.#isDestroyed || this.#toServer.length > 0 || this.#toClient.length > 0
  }

  get waits (): boolean {
    return this.#readers.length > 0
  }

  call (name: string): Call {
    const call = new Call(name)
    this.calls.push(call)
    return call
  }

  // Calls on the session

  accept (call: Call, isSound: boolean): void {
    if (this.state !== 'connecting' || this.#isDestroyed || !isSound) {
      call.expected = HANDSHAKE_ERROR
      return
    }
    this.state = 'open'
    this.accepted = true
    this.#isUpgraded = true
    this.#toClient.push({ response: 101 })
    call.expected = 'session'
  }

  deny (call: Call, status: number): void {
    if (this.state !== 'connecting') {
      call.expected = HANDSHAKE_ERROR
      return
    }
    this.#refuse(status, STATUS_CODES[status]!)
    this.#ending.push({ call, end: () => 'nothing' })
  }

  close (call: Call, code: number, reason: string): void {
    if ([1004, 1005, 1006, 1015, 999, 2999, 5000].includes(code)) {
      call.expected = 'RangeError'
      return
    }
    if (this.state === 'connecting') {
      if (this.#setting.refusal === 'http') return this.deny(call, 403)
      this.#closeInstead(code, reason)
    } else {
      this.#close(code, reason)
    }
    if (this.end !== null) call.expected = 'nothing'
    else this.#ending.push({ call, end: () => 'nothing' })
  }

  terminate (): void {
    if (!this.isServerThere) return
    this.isTerminated = true
    if (this.accepted) this.state = 'closing'
    this.#isDestroyed = true
    this.#endSide()
  }

  /** `message` is the message that arrives, or null for a value that cannot be sent. */
  send (call: Call, message: Message | null): void {
    if (!this.accepted) call.expected = HANDSHAKE_ERROR
    else if (message === null) call.expected = 'WebSocketEncodeError'
    else this.#send(call, message, 'nothing')
  }

  receive (call: Call, type: Type): void {
    this.#receive({
      call,
      take: (message) => { call.expected = decode(type, message) },
      end: (end) => { call.expected = showEnd(end) }
    })
  }

  /** `receive` with a timeout so short that no message can arrive within it. */
  receiveInTime (call: Call, type: Type): void {
    this.receive(call, type)
    if (call.waits) this.giveUp(call, 'WebSocketTimeoutError')
  }

  /** The timeout or the signal of `call` ends it with `outcome`. */
  giveUp (call: Call, outcome: string): void {
    this.#readers = this.#readers.filter((reader) => reader.call !== call)
    call.expected = outcome
  }

  expect (call: Call, wanted: unknown, type: Type): void {
    this.#receive({
      call,
      take: (message) => { call.expected = decode(type, message) === show(wanted) ? 'nothing' : 'WebSocketExpectError' },
      end: (end) => { call.expected = showEnd(end) }
    })
  }

  pair (call: Call, message: Message, type: Type): void {
    if (!this.accepted) call.expected = HANDSHAKE_ERROR
    else if (this.state !== 'open') this.#failAtEnd(call)
    else {
      this.#toClient.push({ message })
      this.receive(call, type)
    }
  }

  pairReceiveFirst (call: Call, message: Message, type: Type): void {
    this.#receive({
      call,
      take: (received) => {
        const value = decode(type, received)
        if (value === 'WebSocketDecodeError') call.expected = value
        else if (this.state !== 'open') this.#failAtEnd(call)
        else this.#send(call, message, value)
      },
      end: (end) => { call.expected = showEnd(end) }
    })
  }

  next (call: Call, type: Type): void {
    this.#receive({
      call,
      take: (message) => {
        const value = decode(type, message)
        call.expected = value.startsWith('WebSocket') ? value : `{"done":false,"value":${value}}`
      },
      end: (end) => {
        call.expected = this.#endsNormally(end) ? '{"done":true}' : showEnd(end)
      }
    })
  }

  receiveEvent (call: Call): void {
    if (this.state === 'connecting' && !this.#isConnectReported) {
      this.#isConnectReported = true
      call.expected = show({ type: 'websocket.connect' })
      return
    }
    this.#receive({
      call,
      take: (message) => {
        call.expected = show(typeof message === 'string' ? { type: 'websocket.receive', text: message } : { type: 'websocket.receive', bytes: message })
      },
      end: (end) => {
        call.expected = this.#isDisconnectReported ? showEnd(end) : show({ type: 'websocket.disconnect', code: end.code, reason: end.reason })
        this.#isDisconnectReported = true
      }
    })
  }

  ping (call: Call): void {
    if (!this.accepted) call.expected = HANDSHAKE_ERROR
    else if (this.end !== null) call.expected = showEnd(this.end)
    else {
      this.#pings.push(call)
      if (this.state === 'open') this.#toClient.push({ ping: String(this.#pings.length) })
    }
  }

  /** The handler has returned. */
  return (): void {
    this.handlerEnded = true
    if (this.state === 'connecting') {
      this.errors++
      this.#refuse(500, 'the handler has returned without accept(), deny() or close()')
    } else if (this.accepted && this.#setting.hasSessionHandlers) {
      this.#nextMessage()
    } else {
      this.#served()
    }
  }

  /**
   * The handler has thrown. After `accept`, the connection is expected to close with `code`. Before it, the handshake is
   * expected to be answered with `status` and `message`.
   */
  throw (name: string, code: number, status: number, message: string): void {
    this.handlerEnded = true
    this.#isServed = true
    if (this.state === 'connecting') {
      this.errors++
      this.#refuse(status, message)
      return
    }
    const isDisconnect = name === 'WebSocketDisconnect' && this.state === 'closed'
    const isHandshake = name === HANDSHAKE_ERROR && !this.accepted
    if (!isHandshake && !(isDisconnect && this.#setting.catchDisconnect)) this.errors++
    if (this.accepted) this.#close(code, '')
  }

  /** `onMessage` has returned. */
  returnMessage (): void {
    this.isHandling = false
    this.#nextMessage()
  }

  /** `onMessage` has thrown. If the error only reports the disconnect, `onMessage` still gets the remaining messages. */
  throwMessage (name: string, code: number): void {
    this.isHandling = false
    if (name !== 'WebSocketDisconnect' || this.state !== 'closed') return this.throw(name, code, 500, '')
    this.#hasThrownDisconnect = true
    this.#nextMessage()
  }

  #nextMessage (): void {
    this.#receive({
      call: new Call('the loop of onMessage'),
      take: (message) => {
        const value = decode('text', message)
        if (value === 'WebSocketDecodeError') return this.throw(value, 1003, 500, '')
        this.handled.push(value)
        this.isHandling = true
      },
      end: (end) => {
        if (this.#endsNormally(end) && !this.#hasThrownDisconnect) this.#served()
        else this.throw('WebSocketDisconnect', 1011, 500, '')
      }
    })
  }

  #served (): void {
    this.#isServed = true
    this.#close(1000, '')
  }

  #endsNormally (end: End): boolean {
    return [1000, 1001, 1005].includes(end.code) && this.#setting.catchDisconnect
  }

  // Actions of the client

  /** Returns the client's answer to what it receives. */
  answer (sent: Sent): Said | null {
    if ('end' in sent) return { end: true }
    if (this.clientClosed || this.isTerminated || this.unfinished === 'frame') return null
    if ('ping' in sent) return { pong: sent.ping }
    if ('close' in sent && this.#setting.answersClose) return sent
    return null
  }

  say (said: Said): void {
    if ('close' in said) this.clientClosed = true
    if ('end' in said) this.clientEnded = true
    if ('reset' in said) {
      this.clientReset = true
      this.#toClient = []
    }
    if (this.isServerThere) this.#toServer.push(said)
  }

  /** Delivers all data that is under way. */
  move (): void {
    do {
      while (this.#hasWord()) this.#hear(this.#toServer.shift()!)
      if (this.#isDestroyed) this.#finish(this.#closeFrame ?? LOST)
      while (this.clientReads && this.isClientThere && this.#toClient.length > 0) this.#see(this.#toClient.shift()!)
      // A client that has ended its side still receives.
      while (this.clientReads && this.clientEnded && !this.clientReset && this.#toClient.length > 0) this.seen.push(this.#toClient.shift()!)
    } while (this.#hasWord())
  }

  // Before the handshake is complete, the server notices only the end.
  #hasWord (): boolean {
    if (this.#toServer.length === 0 || this.state === 'closed') return false
    if (this.state !== 'connecting') return true
    const end = this.#toServer.findIndex((said) => 'end' in said || 'reset' in said)
    this.#toServer.splice(0, Math.max(end, 0))
    return end !== -1
  }

  #hear (said: Said): void {
    if ('end' in said || 'reset' in said) {
      if ('end' in said) this.#endSide()
      return this.#finish(this.#closeFrame ?? LOST)
    }
    if (this.#isDeaf || !this.#isUpgraded) return
    if ('message' in said) this.#take(said.message)
    if ('ping' in said && this.state === 'open') this.#toClient.push({ pong: said.ping })
    if ('pong' in said) {
      for (const call of this.#pings.slice(0, Number(said.pong))) if (call.waits) call.expected = 'ms'
    }
    if ('close' in said) this.#hearClose(said.close, said.reason)
    if ('wrong' in said) this.#hearWrong(said.wrong)
  }

  #endSide (): void {
    if (!this.#hasEnded) this.#toClient.push({ end: true })
    this.#hasEnded = true
  }

  #take (message: Message): void {
    if (this.#isDiscarding) return
    const reader = this.#readers.shift()
    if (reader !== undefined) reader.take(message)
    else this.#queue.push(message)
  }

  #hearClose (code: number, reason: string): void {
    if (this.state === 'open') this.#sendClose(code, reason)
    this.state = 'closing'
    this.#closeFrame = { code, reason, wasClean: this.#hasSentClose }
    this.#isDeaf = true
    this.#endSide()
  }

  #hearWrong (code: number): void {
    if (this.state === 'open') this.#sendClose(code, code === closeCodes.MESSAGE_TOO_BIG ? `message larger than ${MAX_PAYLOAD} bytes` : '')
    this.state = 'closing'
    this.#isDeaf = true
    this.#endSide()
  }

  #see (sent: Sent): void {
    this.seen.push(sent)
    const answer = this.answer(sent)
    if (answer !== null) this.say(answer)
  }

  #refuse (status: number, message: string): void {
    if (this.#setting.refusal === 'close') return this.#closeInstead(4000 + status, message)
    this.state = 'closing'
    this.#toClient.push({ response: status })
    this.#endSide()
    this.#isDestroyed = true // from the view of the session
  }

  // A refusal that a script in a browser can read: `refusal: 'close'`.
  #closeInstead (code: number, reason: string): void {
    this.state = 'closing'
    this.#isUpgraded = true
    this.#isDiscarding = true
    this.#toClient.push({ response: 101 })
    this.#sendClose(code, reason)
  }

  #sendClose (code: number, reason: string): void {
    this.#toClient.push({ close: code, reason: cutReason(reason) })
    this.#hasSentClose = true
  }

  #close (code: number, reason: string): void {
    if (!this.accepted || this.end !== null) return
    this.#isDiscarding = true
    this.#queue = []
    if (this.state === 'open') {
      this.#sendClose(code, reason)
      this.state = 'closing'
      this.#ownEnd = { code, reason: cutReason(reason), wasClean: false }
    }
  }

  #send (call: Call, message: Message, outcome: string): void {
    if (this.end !== null) {
      call.expected = this.#isCatchingUp ? outcome : showEnd(this.end)
    } else if (this.state === 'open') {
      this.#toClient.push({ message })
      call.expected = outcome
    } else if (this.#ownEnd !== null) {
      call.expected = showEnd(this.#ownEnd)
    } else {
      this.#ending.push({ call, end: (end) => this.#isCatchingUp ? outcome : showEnd(end) })
    }
  }

  #failAtEnd (call: Call): void {
    const end = this.end ?? this.#ownEnd
    if (end !== null) call.expected = showEnd(end)
    else this.#ending.push({ call, end: showEnd })
  }

  #receive (reader: Reader): void {
    if (!this.accepted) {
      reader.call.expected = HANDSHAKE_ERROR
      return
    }
    const message = this.#queue.shift()
    if (message === undefined) this.#isCatchingUp = false
    if (message !== undefined) reader.take(message)
    else if (this.end !== null) reader.end(this.end)
    else this.#readers.push(reader)
  }

  #finish (end: End): void {
    this.end = end
    this.state = 'closed'
    this.#isCatchingUp = this.#queue.length > 0 && !this.isTerminated
    this.#isDestroyed = false
    this.#toServer = []
    for (const reader of this.#readers.splice(0)) reader.end(end)
    for (const { call, end: outcome } of this.#ending.splice(0)) call.expected = outcome(end)
    for (const call of this.#pings) if (call.waits) call.expected = showEnd(end)
  }
}
