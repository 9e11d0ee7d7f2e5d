import { STATUS_CODES } from 'node:http'
import { defined } from '../base/checks'
import { Deferred } from '../base/deferred'
import { WebSocketOptionError, WebSocketUpgradeError } from '../base/errors'
import { forgetSignal, listenTo, reasonOf } from '../base/guarded-signal'
import { detailsOf } from '../base/show'
import { Codec } from '../codec/codec'
import { Channel } from '../connection/channel'
import { Connection } from '../connection/connection'
import { LifeSigns } from '../connection/life-signs'
import { ChannelWebSocket } from '../protocol/websocket'
import { checkUrl, connectSettings, tlsOptions, type ClientSettings } from './client-options'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { State } from '../base/state'
import type { WaitOptions } from '../base/verb-options'
import type { ConnectOptions } from '../../types/client'
import type { RawWebSocket } from '../../types/raw'

/** Makes the stream of the client, in place of a network connection. */
export type CreateConnection = () => Duplex

/** Bytes. The client reads at most so much of the body of a refusal. */
const MAX_BODY_BYTES = 16 * 1024 * 1024

/** A client: the client's side of a connection. */
export class Client extends Channel {
  /** The headers of the server's response to the handshake. */
  readonly headers: IncomingHttpHeaders
  readonly #waitOptions: WaitOptions | undefined

  constructor (raw: RawWebSocket, response: IncomingMessage, options: ClientSettings) {
    super()
    this.headers = response.headers
    this.codec = new Codec({
      receiveType: options.receiveType ?? options.valueType,
      sendType: options.sendType ?? options.valueType
    })
    if (options.receiveTimeout !== undefined) this.#waitOptions = { timeout: options.receiveTimeout }
    this.connection = new Connection(raw, response.socket, options, this, new LifeSigns(raw))
  }

  get state (): State {
    return this.connection!.state
  }

  protected override get waitOptions (): WaitOptions | undefined {
    return this.#waitOptions
  }

  protected override report (error: unknown): void {
    process.emitWarning(`a listener on the signal of a WebSocket client threw: ${detailsOf(error)}`)
  }
}

/** `Connect` of types/client.ts. */
export async function connect (url: string | URL, options?: ConnectOptions): Promise<Client> {
  return await open(checkUrl('connect', url), connectSettings(options))
}

/** Like `connect`, over the stream of `createConnection` if given. `settings` are checked. */
export async function open (url: string, settings: ClientSettings, createConnection?: CreateConnection): Promise<Client> {
  const { signal } = settings
  if (signal === undefined) return await answerTo(createSocket(url, settings, createConnection), settings)
  if (signal.aborted) throw reasonOf(signal)
  const aborted = new Deferred<never>()
  const onAbort = (): void => aborted.reject(reasonOf(signal))
  listenTo(signal, onAbort)
  try {
    const raw = createSocket(url, settings, createConnection)
    aborted.promise.catch(() => raw.terminate())
    return await Promise.race([answerTo(raw, settings), aborted.promise])
  } finally {
    forgetSignal(signal, onAbort)
  }
}

function createSocket (url: string, settings: ClientSettings, createConnection?: CreateConnection): ChannelWebSocket {
  const { agent, closeTimeout, maxPayload, perMessageDeflate, subprotocols } = settings
  const headers = defined(settings.headers ?? {})
  try {
    return new ChannelWebSocket(url, subprotocols, { ...tlsOptions(settings), agent, closeTimeout, createConnection, headers, maxPayload, perMessageDeflate } as object)
  } catch (error) {
    throw new WebSocketOptionError(`connect: ${(error as Error).message}`, { cause: error })
  }
}

/** Resolves with the client when the handshake of `raw` is complete. */
async function answerTo (raw: ChannelWebSocket, settings: ClientSettings): Promise<Client> {
  const { handshakeTimeout } = settings
  let timer: NodeJS.Timeout | undefined
  const answer = new Promise<Client>((resolve, reject) => {
    let response: IncomingMessage
    raw.once('upgrade', (res) => { response = res })
    raw.once('open', () => resolve(new Client(raw, response, settings)))
    raw.once('unexpected-response', (request, res) => resolve(refusal(request, res)))
    raw.on('error', (error) => reject(failure(error)))
    if (handshakeTimeout === undefined) return
    // This timeout limits the whole handshake. The `handshakeTimeout` of `ws` only limits how long the server is silent.
    timer = setTimeout(() => {
      reject(new WebSocketUpgradeError(`the handshake failed: no answer within ${handshakeTimeout} ms (handshakeTimeout)`))
      raw.terminate() // a refusal whose body is still coming rejects with the part of the body that has come
    }, handshakeTimeout)
  })
  return await answer.finally(() => clearTimeout(timer))
}

/** The message names no address, because Fastify may send it to strangers in a response. The `cause` names the address. */
function failure (error: NodeJS.ErrnoException): WebSocketUpgradeError {
  const { code } = error
  if (error instanceof WebSocketUpgradeError) return error // made by `injectWebSocket`
  return new WebSocketUpgradeError(`the handshake failed${code === undefined ? '' : `: ${code}`}`, undefined, { cause: error })
}

async function refusal (request: ClientRequest, response: IncomingMessage): Promise<never> {
  const { headers } = response
  const statusCode = response.statusCode!
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response) {
      chunks.push(chunk)
      if ((bytes += chunk.length) >= MAX_BODY_BYTES) break
    }
  } catch {
    // The connection has broken, or the time is up. The part of the body that has come is the body.
  }
  request.destroy()
  const body = Buffer.concat(chunks).toString()
  const status = [statusCode, STATUS_CODES[statusCode] ?? []].flat().join(' ') // the status text of Node, since that of the server may say anything
  throw new WebSocketUpgradeError(`the server refused the handshake: ${status}`, { statusCode, headers, body })
}
