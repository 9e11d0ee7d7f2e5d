import { NORMAL_CLOSURE } from '../base/close-codes'
import { checkCloseCode, isNormal } from '../base/closing'
import { Deferred, quiet, rejected } from '../base/deferred'
import { WebSocketOptionError } from '../base/errors'
import {
  argumentError, attempt, modeIn, waitOptionsIn, receivesFirst, typeIn, type PairOptions, type WaitOptions, type ReceiveJsonOptions, type ReceiveOptions
} from '../base/verb-options'
import { Expectation, typeOf } from './expectation'
import { MessageIterator, type IterableChannel, type Iteration } from './iteration'
import { rejecting, type Ending } from './receive-queue'
import type { ConnectionEnd } from '../base/connection-end'
import type { State } from '../base/state'
import type { Codec } from '../codec/codec'
import type { Decode } from '../codec/decode'
import type { Encode, Payload } from '../codec/encode'
import type { CloseInfo, JsonMode, ValueType } from '../../types/message'

const CLOSED = Promise.resolve()

/** The verbs that reject at the end of the connection, with an error that names the verb. */
const REJECTING = {
  receiveText: rejecting('receiveText'),
  receiveBytes: rejecting('receiveBytes'),
  receiveJson: rejecting('receiveJson'),
  pair: rejecting('pair'),
  expect: rejecting('expect')
}

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
    receive (decode: Decode, waitOptions?: WaitOptions, ending?: Ending): Promise<unknown>
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
  #end: ConnectionEnd | null = null
  #closed: Deferred<CloseInfo> | null = null
  #controller: AbortController | null = null

  abstract get state (): State

  /** Whether an iteration ends without an error after a normal closure. */
  protected get catchDisconnect (): boolean {
    return true
  }

  /** The wait options of a `receive` without its own. */
  protected get waitOptions (): WaitOptions | undefined {
    return undefined
  }

  /** Returns the error of all verbs while `connection` is null. A side whose connection is never null does not define this. */
  protected unavailable? (): Error

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
    if (this.#closed === null) {
      this.#closed = new Deferred()
      if (this.#end !== null) this.#closed.resolve(this.#end.info)
    }
    return this.#closed.promise
  }

  /** Aborted when the connection has ended. The reason is the `WebSocketDisconnect`. */
  get signal (): AbortSignal {
    if (this.#controller === null) {
      this.#controller = this.createController()
      if (this.#end !== null) this.#controller.abort(this.#end.error)
    }
    return this.#controller.signal
  }

  /** The connection has ended, or the handshake has ended without a connection. */
  finish (end: ConnectionEnd): void {
    this.#end = end
    this.#controller?.abort(end.error)
    this.#closed?.resolve(end.info)
  }

  send (data: unknown, options?: ValueType | { type?: ValueType }): Promise<void> {
    if (options === undefined) return this.#send(this.codec.encode, data)
    try {
      return this.#send(this.codec.encoder(typeIn('send', options)), data)
    } catch (error) {
      return rejected(argumentError('send', error))
    }
  }

  sendText (data: string): Promise<void> {
    return this.send(data, { type: 'text' })
  }

  sendBytes (data: unknown): Promise<void> {
    return this.send(data, { type: 'bytes' })
  }

  sendJson (data: unknown, options?: { mode?: JsonMode }): Promise<void> {
    try {
      return this.#send(this.codec.jsonEncoder(modeIn('sendJson', options)), data)
    } catch (error) {
      return rejected(argumentError('sendJson', error))
    }
  }

  receive (options?: ValueType | ReceiveOptions): Promise<any> {
    if (options === undefined) return this.take(this.codec.decode, this.waitOptions)
    try {
      const decode = this.codec.decoder(typeIn('receive', options))
      return this.take(decode, typeof options === 'string' ? this.waitOptions : waitOptionsIn('receive', options, this.waitOptions))
    } catch (error) {
      return rejected(argumentError('receive', error))
    }
  }

  receiveText (options?: WaitOptions): Promise<string> {
    return this.#receiveAs('text', 'receiveText', options)
  }

  receiveBytes (options?: WaitOptions): Promise<Buffer> {
    return this.#receiveAs('bytes', 'receiveBytes', options)
  }

  receiveJson (options?: ReceiveJsonOptions): Promise<any> {
    try {
      return this.take(this.codec.jsonDecoder(modeIn('receiveJson', options)), waitOptionsIn('receiveJson', options, this.waitOptions), REJECTING.receiveJson)
    } catch (error) {
      return rejected(argumentError('receiveJson', error))
    }
  }

  pair (message: unknown, options?: PairOptions): Promise<any> {
    return attempt('pair', () => {
      // The options are read first, so that `pair` with a wrong option sends no message.
      const decode = this.codec.decoder(typeIn('pair', options))
      const waitOptions = waitOptionsIn('pair', options, this.waitOptions)
      return quiet(this.#pair(message, decode, waitOptions, receivesFirst('pair', options)))
    })
  }

  expect (message: unknown, options?: WaitOptions): Promise<void> {
    return attempt('expect', () => quiet(this.#expect(message, waitOptionsIn('expect', options, this.waitOptions))))
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
      decode: this.codec.resultDecoder(typeIn('messages', options)),
      waitOptions: typeof options === 'string' ? this.waitOptions : waitOptionsIn('messages', options, this.waitOptions)
    }
  }

  /** Receives the next result of an iterator. */
  receiveResult ({ decode, waitOptions }: Iteration): Promise<IteratorResult<any>> {
    return this.take(decode, waitOptions, this) as Promise<IteratorResult<any>>
  }

  /** Returns the result of an iterator at a normal end of the connection (`catchDisconnect`). Throws the error of another end. */
  atEnd (end: ConnectionEnd): IteratorResult<any> {
    if (this.catchDisconnect && isNormal(end.code)) return { done: true, value: undefined }
    throw end.during('messages')
  }

  /** Starts the closing handshake, without a close code if `code` is null. Resolves when the connection has ended. */
  close (code: number | null = NORMAL_CLOSURE, reason = ''): Promise<void> {
    try {
      if (code !== null) checkCloseCode(code)
      if (typeof reason !== 'string') throw new WebSocketOptionError(`the reason of a close is a string, not ${typeof reason}`)
      if (code === null && reason !== '') throw new WebSocketOptionError('a close without a code has no reason: leave it out, or give a code')
    } catch (error) {
      return rejected(error)
    }
    if (this.#end !== null) return CLOSED
    return this.closeWith(code, reason)
  }

  protected closeWith (code: number | null, reason: string): Promise<void> {
    this.connection!.close(code, reason)
    return this.closed.then(() => {})
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }

  #send (encode: Encode, data: unknown): Promise<void> {
    if (this.connection === null) return rejected(this.unavailable!())
    let payload
    try {
      payload = encode(data)
    } catch (error) {
      return rejected(error)
    }
    return this.connection.sendQueue.send(payload)
  }

  /** Receives a message. `ending` decides what happens at the end of the connection. */
  protected take (decode: Decode, waitOptions: WaitOptions | undefined, ending?: Ending): Promise<unknown> {
    return this.connection === null ? rejected(this.unavailable!()) : this.connection.receiveQueue.receive(decode, waitOptions, ending)
  }

  #receiveAs (type: ValueType, verb: 'receiveText' | 'receiveBytes', options: WaitOptions | undefined): Promise<any> {
    try {
      return this.take(this.codec.decoder(type), waitOptionsIn(verb, options, this.waitOptions), REJECTING[verb])
    } catch (error) {
      return rejected(argumentError(verb, error))
    }
  }

  async #pair (message: unknown, decode: Decode, waitOptions: WaitOptions | undefined, receiveFirst: boolean): Promise<unknown> {
    if (receiveFirst) {
      const received = await this.take(decode, waitOptions, REJECTING.pair)
      await this.#sendWhileOpen(message)
      return received
    }
    await this.#sendWhileOpen(message)
    return await this.take(decode, waitOptions, REJECTING.pair)
  }

  // `send` resolves without effect while messages before the end still wait. None of these messages answers `message`.
  async #sendWhileOpen (message: unknown): Promise<void> {
    const { connection } = this
    const isOpen = connection?.state === 'open'
    await this.send(message)
    if (!isOpen) throw connection!.end!.during('pair')
  }

  async #expect (expected: unknown, waitOptions: WaitOptions | undefined): Promise<void> {
    const expectation = new Expectation(expected, this.codec.decoder(typeOf(expected)))
    expectation.check(await this.take(expectation.decode, waitOptions, REJECTING.expect))
  }
}
