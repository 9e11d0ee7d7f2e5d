import { check } from '../base/check'
import { NORMAL_CLOSURE } from '../base/close-codes'
import { checkCloseCode, isNormal } from '../base/closing'
import { Deferred, quiet, rejected } from '../base/deferred'
import { WebSocketDecodeError, WebSocketExpectError, WebSocketOptionError } from '../base/errors'
import { jsonTypeIn, receivesFirst, typeIn, waitOptionsIn } from '../base/verb-options'
import { typeOf } from '../codec/encode'
import { isEqual } from './equality'
import { MessageIterator, resultOf, type IterableChannel, type Iteration } from './iteration'
import type { ConnectionEnd } from '../base/connection-end'
import type { State } from '../base/state'
import type { PairOptions, ReceiveJsonOptions, ReceiveOptions, WaitOptions } from '../base/verb-options'
import type { EncodedType } from '../base/value-types'
import type { Codec } from '../codec/codec'
import type { Decode } from '../codec/decode'
import type { Payload } from '../codec/encode'
import type { Ending } from './receive-queue'
import type { CloseInfo, JsonMode, ValueType } from '../../types/message'

/** Reads the type of a verb's message from the options of the verb. */
type TypeIn = (verb: string, options: any) => EncodedType | undefined

const asText: TypeIn = () => 'text'
const asBytes: TypeIn = () => 'bytes'

/** The part of a connection that a channel uses. */
export interface ChannelConnection {
  readonly state: State
  /** The negotiated subprotocol, or `''`. */
  readonly protocol: string
  /** How the connection ended; null until then. */
  readonly end: ConnectionEnd | null
  readonly sendQueue: {
    readonly bufferedAmount: number
    send (payload: Payload): Promise<void>
  }
  readonly receiveQueue: {
    receive (decode: Decode, waitOptions?: WaitOptions, ending?: string | Ending): Promise<unknown>
  }
  /** Begins the closing handshake, without a close code if `code` is null. */
  close (code: number | null, reason: string): void
}

/**
 * One side of a connection, with the verbs that send, receive and wait. A server's session, a client in Node and a client in a
 * browser are channels.
 *
 * A promise of a verb does not end the process if it rejects and is not handled (see `quiet`).
 */
export abstract class Channel implements Ending, IterableChannel {
  /** The connection; null before the handshake is complete. */
  connection: ChannelConnection | null = null
  codec!: Codec
  /** The wait options of a `receive` without its own. */
  protected waitOptions: WaitOptions | undefined
  #end: ConnectionEnd | null = null
  #closed: Deferred<CloseInfo> | null = null
  #controller: AbortController | null = null

  abstract get state (): State

  /** Whether an iteration ends without an error after a normal closure. */
  protected get catchDisconnect (): boolean {
    return true
  }

  /** Creates the controller of `signal`. */
  protected abstract createController (): AbortController

  /** The negotiated subprotocol, or `''`. */
  get protocol (): string {
    return this.connection?.protocol ?? ''
  }

  /** The bytes that have not yet been handed to the kernel. */
  get bufferedAmount (): number {
    return this.connection?.sendQueue.bufferedAmount ?? 0
  }

  /** Resolves when the connection has ended for any reason; never rejects. */
  get closed (): Promise<CloseInfo> {
    this.#closed ??= new Deferred()
    if (this.#end !== null) this.#closed.resolve(this.#end.info)
    return this.#closed.promise
  }

  /** Aborted when the connection has ended. The reason is the `WebSocketDisconnect`. */
  get signal (): AbortSignal {
    this.#controller ??= this.createController()
    if (this.#end !== null) this.#controller.abort(this.#end.error)
    return this.#controller.signal
  }

  /** The connection has ended, or the handshake has ended without a connection. */
  finish (end: ConnectionEnd): void {
    this.#end = end
    this.#controller?.abort(end.error)
    this.#closed?.resolve(end.info)
  }

  send (data: unknown, options?: ValueType | { type?: ValueType }): Promise<void> {
    return this.#send('send', typeIn, data, options)
  }

  sendText (data: string): Promise<void> {
    return this.#send('sendText', asText, data)
  }

  sendBytes (data: unknown): Promise<void> {
    return this.#send('sendBytes', asBytes, data)
  }

  sendJson (data: unknown, options?: { mode?: JsonMode }): Promise<void> {
    return this.#send('sendJson', jsonTypeIn, data, options)
  }

  receive (options?: ValueType | ReceiveOptions): Promise<any> {
    return this.#receive('receive', typeIn, options)
  }

  receiveText (options?: WaitOptions): Promise<string> {
    return this.#receive('receiveText', asText, options)
  }

  receiveBytes (options?: WaitOptions): Promise<Buffer> {
    return this.#receive('receiveBytes', asBytes, options)
  }

  receiveJson (options?: ReceiveJsonOptions): Promise<any> {
    return this.#receive('receiveJson', jsonTypeIn, options)
  }

  pair (message: unknown, options?: PairOptions): Promise<any> {
    return quiet(this.#pair(message, options))
  }

  expect (message: unknown, options?: WaitOptions): Promise<void> {
    return quiet(this.#expect(message, options))
  }

  [Symbol.asyncIterator] (): AsyncIterableIterator<any> {
    return this.messages()
  }

  messages (options?: ValueType | ReceiveOptions): AsyncIterableIterator<any> {
    return new MessageIterator(this, options)
  }

  /** Returns how an iterator with `options` receives. Throws the errors of reading `options`. */
  iteration (options: ValueType | ReceiveOptions | undefined): Iteration {
    return {
      decode: resultOf(this.codec.decoder(typeIn('messages', options))),
      waitOptions: this.#waitOptionsIn('messages', typeIn, options)
    }
  }

  /** Receives the next result of an iterator. */
  receiveResult ({ decode, waitOptions }: Iteration): Promise<IteratorResult<any>> {
    return this.take(decode, waitOptions, this) as Promise<IteratorResult<any>>
  }

  /** Settles an iterator at the end of the connection: it is done after a normal end (`catchDisconnect`), and rejects after another. */
  atEnd (end: ConnectionEnd): Promise<IteratorResult<any>> {
    return this.catchDisconnect && isNormal(end.code) ? Promise.resolve({ done: true, value: undefined }) : rejected(end.during('messages'))
  }

  /** Starts the closing handshake, without a close code if `code` is null. Resolves when the connection has ended. */
  close (code: number | null = NORMAL_CLOSURE, reason = ''): Promise<void> {
    return quiet(this.#close(code, reason))
  }

  /** Begins the close of a connection that has not ended. Settles when the connection has ended. */
  protected closeWith (code: number | null, reason: string): Promise<unknown> {
    this.connection!.close(code, reason)
    return this.closed
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }

  /** The connection. Throws the error of all verbs if `connection` can be null, and is null. */
  protected opened (): NonNullable<this['connection']> {
    return this.connection!
  }

  #send (verb: string, typeOf: TypeIn, data: unknown, options?: unknown): Promise<void> {
    try {
      const encode = this.codec.encoder(typeOf(verb, options))
      const { sendQueue } = this.opened()
      return sendQueue.send(encode(data))
    } catch (error) {
      return rejected(error)
    }
  }

  #receive (verb: string, typeOf: TypeIn, options: ValueType | ReceiveOptions | undefined): Promise<any> {
    try {
      return this.take(this.codec.decoder(typeOf(verb, options)), options === undefined ? this.waitOptions : this.#waitOptionsIn(verb, typeOf, options), verb)
    } catch (error) {
      return rejected(error)
    }
  }

  /** Receives a message. `ending` decides what happens at the end of the connection: a verb's name stands for its error. */
  protected take (decode: Decode, waitOptions: WaitOptions | undefined, ending?: string | Ending): Promise<unknown> {
    return this.opened().receiveQueue.receive(decode, waitOptions, ending)
  }

  /** The options of a verb of `typeIn` may be the type itself. */
  #waitOptionsIn (verb: string, typeOf: TypeIn, options: ValueType | ReceiveOptions | undefined): WaitOptions | undefined {
    return typeof options === 'string' && typeOf === typeIn ? this.waitOptions : waitOptionsIn(verb, options as ReceiveOptions | undefined, this.waitOptions)
  }

  async #close (code: number | null, reason: string): Promise<void> {
    if (code !== null) checkCloseCode(code)
    check(typeof reason === 'string', 'reason is', reason, 'a string')
    if (code === null && reason !== '') throw new WebSocketOptionError('a close without a code has no reason: leave it out, or give a code')
    if (this.#end === null) await this.closeWith(code, reason)
  }

  async #pair (message: unknown, options: PairOptions | undefined): Promise<unknown> {
    // The options are read first, so that `pair` with a wrong option sends no message.
    const decode = this.codec.decoder(typeIn('pair', options))
    const waitOptions = waitOptionsIn('pair', options, this.waitOptions)
    const isFirst = receivesFirst('pair', options)
    const received = isFirst ? await this.take(decode, waitOptions, 'pair') : undefined
    // `send` resolves without effect while messages before the end still wait. None of these messages answers `message`.
    const isOpen = this.connection?.state === 'open'
    await this.send(message)
    if (!isOpen) throw this.connection!.end!.during('pair')
    return isFirst ? received : await this.take(decode, waitOptions, 'pair')
  }

  async #expect (expected: unknown, options: WaitOptions | undefined): Promise<void> {
    const decode = this.codec.decoder(typeOf(expected))
    const waitOptions = waitOptionsIn('expect', options, this.waitOptions)
    let misfit: unknown
    const received = await this.take((message) => {
      try {
        return decode(message)
      } catch (error) {
        if (!(error instanceof WebSocketDecodeError)) throw error
        misfit = error
        return message
      }
    }, waitOptions, 'expect')
    if (misfit === undefined && isEqual(expected, received)) return
    throw new WebSocketExpectError('received another message than the expected one', expected, received, { cause: misfit })
  }
}
