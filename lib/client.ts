import { inspect } from 'node:util'
import WebSocket from 'ws'
import { Channel } from './channel'
import { checkOneOf, Codec, VALUE_TYPES } from './codec'
import { WebSocketOptionError, WebSocketUpgradeError } from './errors'
import { defined } from './options'
import { Socket } from './socket'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RawWebSocket } from '../types/raw'
import type { Patience } from './inbox'
import type { State } from './state'
import type { ConnectOptions } from '../types/client'

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

/** Milliseconds that `connect` waits for the answer to its handshake, to the end of a refusal's body. */
const HANDSHAKE_TIMEOUT = 10_000

/** What a refusal's body may have, in bytes; the rest is not read. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

/** The client's side of a connection. */
export class Client extends Channel {
  /** The headers of the server's response to the handshake. */
  readonly headers: IncomingHttpHeaders
  readonly #patience: Patience | undefined

  constructor (raw: RawWebSocket, response: IncomingMessage, options: ConnectOptions & typeof DEFAULTS) {
    super()
    this.headers = response.headers
    this.codec = new Codec({
      receiveType: options.receiveType ?? options.valueType,
      sendType: options.sendType ?? options.valueType
    })
    if (options.receiveTimeout !== undefined) this.#patience = { timeout: options.receiveTimeout }
    this.socket = new Socket(raw, response.socket, options, this)
  }

  get state (): State {
    return this.socket!.state
  }

  protected override get patience (): Patience | undefined {
    return this.#patience
  }

  protected override report (error: unknown): void {
    process.emitWarning(`a listener on the signal of a WebSocket client threw: ${inspect(error)}`)
  }
}

/**
 * Opens a connection to `url` (`ws:`, `wss:`, `http:` or `https:`).
 *
 * Resolves with the client when the handshake is complete; messages are kept from the first.
 * Rejects with `WebSocketUpgradeError` when the server refuses (with `statusCode`, `headers` and `body`) or cannot be
 * reached (with the `cause`), and with `WebSocketOptionError` for options that cannot be.
 */
export async function connect (url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return await open(url, { ...options, handshakeTimeout: options.handshakeTimeout ?? HANDSHAKE_TIMEOUT })
}

/** `connect`, over a stream of the caller's where `createConnection` is given. */
export async function open (url: string | URL, options: ConnectOptions, createConnection?: CreateConnection): Promise<Client> {
  for (const name of ['valueType', 'receiveType', 'sendType'] as const) {
    if (options[name] !== undefined) checkOneOf(`option ${name}`, options[name], VALUE_TYPES)
  }
  const settings = { ...DEFAULTS, ...defined(options) } as ConnectOptions & typeof DEFAULTS
  const { subprotocols, maxPayload, closeTimeout, handshakeTimeout, perMessageDeflate } = settings
  const headers = defined(settings.headers ?? {})
  let raw: WebSocket
  try {
    // As a string, since `ws` makes something else of null than a client.
    raw = new WebSocket(String(url), subprotocols, { headers, maxPayload, closeTimeout, perMessageDeflate, createConnection } as object)
  } catch (error) {
    throw new WebSocketOptionError(`connect: ${(error as Error).message}`, { cause: error })
  }
  let timer: NodeJS.Timeout | undefined
  const answer = new Promise<Client>((resolve, reject) => {
    let response: IncomingMessage
    raw.once('upgrade', (res) => { response = res })
    raw.once('open', () => resolve(new Client(raw, response, settings)))
    raw.once('unexpected-response', (request, res) => resolve(refusal(request, res)))
    raw.on('error', (error) => reject(failure(error)))
    // A limit to the whole of it: the `handshakeTimeout` of `ws` is one to silence.
    if (Number.isFinite(handshakeTimeout)) {
      timer = setTimeout(() => {
        reject(failure(new Error(`no answer within ${handshakeTimeout} ms (handshakeTimeout)`)))
        raw.terminate()
      }, handshakeTimeout)
    }
  })
  return await answer.finally(() => clearTimeout(timer))
}

function failure (error: NodeJS.ErrnoException): WebSocketUpgradeError {
  // Node gives no message where it has tried several addresses.
  return new WebSocketUpgradeError(`the handshake failed: ${error.message || error.code}`, undefined, { cause: error })
}

async function refusal (request: ClientRequest, response: IncomingMessage): Promise<never> {
  const { statusCode, statusMessage, headers } = response
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response) {
      chunks.push(chunk)
      if ((bytes += chunk.length) >= MAX_BODY_BYTES) break
    }
  } catch {
    // The connection has broken, or time is up: what has come is the body.
  }
  request.destroy()
  const body = Buffer.concat(chunks).toString()
  throw new WebSocketUpgradeError(`the server refused the handshake: ${statusCode} ${statusMessage}`, { statusCode: statusCode!, headers, body })
}
