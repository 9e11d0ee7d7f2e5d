import { defined } from '../base/checks'
import { Deferred } from '../base/deferred'
import { WebSocketUpgradeError } from '../base/errors'
import { failure, refusal } from './refusal-response'
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectOptions } from '../../types/client'

/** A completed opening handshake. */
export interface Opened {
  /**
   * The connection, which has neither a timeout nor a delay. It may already be destroyed. It has a listener for `error` that
   * does nothing, so that an error before the first listener of the caller ends nothing else.
   */
  stream: Duplex
  /** The bytes that came behind the response. */
  head: Buffer
  response: Pick<IncomingMessage, 'headers' | 'statusCode'>
  /** The subprotocol that the server has taken, or `''`. */
  protocol: string
  /** The value of `Sec-WebSocket-Extensions` in the response, if any. Only its presence is checked. */
  extensions: string | undefined
}

/** The options of `connect` that concern the handshake, with valid values. Other options are ignored. */
export interface HandshakeSettings extends ConnectOptions {
  /** The value of `Sec-WebSocket-Extensions` to offer. */
  extensions?: string
}

/** One handshake. It ends once: with a stream or with an error. */
export abstract class Attempt {
  protected readonly settings: HandshakeSettings
  readonly #opened = new Deferred<Opened>()
  #isOver = false
  #isRefused = false

  constructor (settings: HandshakeSettings) {
    this.settings = settings
  }

  get opened (): Promise<Opened> {
    return this.#opened.promise
  }

  /** Ends the handshake with `error`, and its connection. Does nothing if the handshake is over. */
  fail (error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#opened.reject(error)
    this.dropConnection()
  }

  /** Ends the handshake because it has lasted for `ms` milliseconds. A refusal keeps the part of its body that has come. */
  expire (ms: number): void {
    if (this.#isRefused) this.dropConnection()
    else this.fail(new WebSocketUpgradeError(`the handshake failed: no answer within ${ms} ms (handshakeTimeout)`))
  }

  /** The server has accepted, with a valid response unless there is a `fault`. Returns whether `stream` is the connection. */
  protected accept (fault: string | undefined, stream: Duplex, head: Buffer, response: Opened['response']): boolean {
    stream.on('error', ignore)
    const reason = fault ?? faultOf(response.headers, this.settings)
    if (reason !== undefined) this.fail(failure(new Error(reason)))
    if (this.#isOver) return false
    this.#isOver = true
    const { 'sec-websocket-protocol': protocol = '', 'sec-websocket-extensions': extensions } = response.headers
    this.#opened.resolve({ stream, head, response, protocol, extensions })
    return true
  }

  /** The server refuses. `body`: the bytes of the body of its response. */
  protected refuse (statusCode: number, headers: IncomingHttpHeaders, body: AsyncIterable<Buffer>): void {
    this.#isRefused = true
    refusal(statusCode, headers, body).then((error) => this.fail(error))
  }

  /** The connection has ended. The end of a refusal is the end of its body. */
  protected lose (error: unknown): void {
    if (!this.#isRefused) this.fail(error)
  }

  /** Drops the connection of a handshake that has failed, and whatever has come of a response. */
  protected abstract dropConnection (): void
}

/** A listener for errors that somebody else handles. */
export function ignore (): void {}

/**
 * Returns the headers of the request: `own`, which the kind of handshake has, those that all kinds have, and the user's.
 * Headers of the handshake replace the user's headers of the same name, in any case of letters.
 */
export function headersOf ({ extensions, headers = {}, subprotocols = [] }: HandshakeSettings, own: Record<string, string>): OutgoingHttpHeaders {
  const all = defined({
    'Sec-WebSocket-Version': '13',
    ...own,
    'Sec-WebSocket-Extensions': extensions,
    'Sec-WebSocket-Protocol': subprotocols.length === 0 ? undefined : subprotocols.join(',')
  })
  const names = Object.keys(all).map((name) => name.toLowerCase())
  const others = Object.entries(defined(headers)).filter(([name]) => !names.includes(name.toLowerCase()))
  return { ...Object.fromEntries(others), ...all } as OutgoingHttpHeaders
}

/** What is wrong with the subprotocol or the extensions of a response that accepts, if anything (RFC 6455, section 4.1). */
function faultOf (headers: IncomingHttpHeaders, { extensions, subprotocols = [] }: HandshakeSettings): string | undefined {
  const protocol = headers['sec-websocket-protocol']
  if (protocol === undefined && subprotocols.length > 0) return 'Server sent no subprotocol'
  if (protocol !== undefined && subprotocols.length === 0) return 'Server sent a subprotocol but none was requested'
  if (protocol !== undefined && !subprotocols.includes(protocol)) return 'Server sent an invalid subprotocol'
  if (headers['sec-websocket-extensions'] !== undefined && extensions === undefined) return 'Server sent a Sec-WebSocket-Extensions header but no extension was requested'
}
