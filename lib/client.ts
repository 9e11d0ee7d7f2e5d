import { text } from 'node:stream/consumers'
import WebSocket from 'ws'
import { Channel, type ReceiveOptions } from './channel'
import { checkOneOf, Codec, VALUE_TYPES } from './codec'
import { WebSocketOptionError, WebSocketUpgradeError } from './errors'
import { Socket } from './socket'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RawWebSocket } from '../types/raw'
import type { State } from './state'
import type { ValueType } from '../types/message'

export interface ClientOptions {
  /** Headers of the upgrade request. */
  headers?: Record<string, string | string[] | undefined>
  /** Subprotocols to offer, in order of preference. */
  subprotocols?: string[]
  valueType?: ValueType
  receiveType?: ValueType
  sendType?: ValueType
  /** Milliseconds that a `receive` waits unless it is given a `timeout`; none by default. */
  receiveTimeout?: number
  /** Bytes. */
  maxPayload?: number
  receiveHighWaterMark?: number
  sendHighWaterMark?: number
  /** Milliseconds. */
  sendTimeout?: number
  closeTimeout?: number
  handshakeTimeout?: number
  perMessageDeflate?: boolean | object
}

/** Makes the stream that the client talks through, in place of a connection over the network. */
export type CreateConnection = () => Duplex

const DEFAULTS = {
  maxPayload: 1024 * 1024,
  receiveHighWaterMark: 64 * 1024,
  sendHighWaterMark: 64 * 1024,
  sendTimeout: 30_000,
  closeTimeout: 5_000,
  perMessageDeflate: false
}

/** What a refused handshake's body may have, in bytes; the rest is not read. */
const MAX_BODY_BYTES = 1024 * 1024

/** The client's side of a connection. */
export class Client extends Channel {
  /** The headers of the server's response to the handshake. */
  readonly headers: IncomingHttpHeaders

  constructor (raw: RawWebSocket, response: IncomingMessage, options: ClientOptions & typeof DEFAULTS) {
    super()
    this.headers = response.headers
    this.codec = new Codec({
      receiveType: options.receiveType ?? options.valueType,
      sendType: options.sendType ?? options.valueType
    })
    if (options.receiveTimeout !== undefined) this.patience = { timeout: options.receiveTimeout } satisfies ReceiveOptions
    this.socket = new Socket(raw, response.socket, options, (end) => this.finish(end))
  }

  get state (): State {
    return this.socket!.state
  }

  protected override unavailable (): Error {
    return this.socket!.end! // never asked: a client has its connection from the start
  }

  protected override report (error: unknown): void {
    process.emitWarning(`a listener on the signal of a WebSocket client threw: ${(error as Error)?.stack ?? String(error)}`)
  }
}

/**
 * Opens a connection to `url` (`ws:`, `wss:`, `http:` or `https:`).
 *
 * Resolves with the client when the handshake is complete; messages are kept from the first.
 * Rejects with `WebSocketUpgradeError` when the server refuses (with `statusCode`, `headers` and `body`) or cannot be
 * reached (with the `cause`), and with `WebSocketOptionError` for options that cannot be.
 */
export function connect (url: string | URL, options: ClientOptions = {}): Promise<Client> {
  return open(url, { handshakeTimeout: 10_000, ...options })
}

/** `connect`, over a stream of the caller's where `createConnection` is given. */
export async function open (url: string | URL, options: ClientOptions, createConnection?: CreateConnection): Promise<Client> {
  for (const name of ['valueType', 'receiveType', 'sendType'] as const) {
    if (options[name] !== undefined) checkOneOf(`option ${name}`, options[name], VALUE_TYPES)
  }
  const settings = { ...DEFAULTS, ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) }
  const { headers, subprotocols, maxPayload, closeTimeout, handshakeTimeout, perMessageDeflate } = settings as ClientOptions
  let raw: WebSocket
  try {
    raw = new WebSocket(url, subprotocols, { headers, maxPayload, closeTimeout, handshakeTimeout, perMessageDeflate, createConnection } as object)
  } catch (error) {
    throw new WebSocketOptionError(`connect: ${(error as Error).message}`, { cause: error })
  }
  return await new Promise((resolve, reject) => {
    let response: IncomingMessage
    raw.once('upgrade', (res) => { response = res })
    raw.once('open', () => resolve(new Client(raw, response, settings as never)))
    raw.once('unexpected-response', (request, res) => resolve(refusal(request, res)))
    raw.on('error', (error) => reject(new WebSocketUpgradeError(`the handshake failed: ${error.message || (error as NodeJS.ErrnoException).code}`, undefined, { cause: error })))
  })
}

async function refusal (request: ClientRequest, response: IncomingMessage): Promise<never> {
  const { statusCode = 0, headers } = response
  let bytes = 0
  response.on('data', (chunk: Buffer) => { if ((bytes += chunk.length) > MAX_BODY_BYTES) request.destroy() })
  const body = await text(response).catch(() => '')
  request.destroy()
  throw new WebSocketUpgradeError(`the server refused the handshake: ${statusCode} ${response.statusMessage}`, { statusCode, headers, body })
}
