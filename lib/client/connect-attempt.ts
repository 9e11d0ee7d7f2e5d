import { validateHeaderName, validateHeaderValue } from 'node:http'
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { isIPv6 } from 'node:net'
import { TLSSocket } from 'node:tls'
import { WebSocketOptionError, WebSocketUpgradeError } from '../base/errors'
import { destroyAfterLinger } from '../base/linger'
import { messageOf } from '../base/show'
import { endWhenReset } from '../protocol/http2-stream'
import { Attempt, headersOf, type HandshakeSettings } from './attempt'
import { failure } from './refusal-response'
import { connectTo, type Target } from './target'
import type { Duplex } from 'node:stream'

/** Headers that HTTP/2 does not have (RFC 9113, section 8.2.2), or that it has under another name. */
const OF_CONNECTION = ['connection', 'host', 'http2-settings', 'keep-alive', 'proxy-connection', 'sec-websocket-key', 'te', 'transfer-encoding', 'upgrade']

/**
 * Bytes that the server may send before the client takes them, on the stream and on its connection. The default of HTTP/2, 64 KiB, is
 * less than a line of some speed has under way. A network socket takes as much before it pushes back.
 */
const WINDOW = 1024 * 1024

const EMPTY = Buffer.alloc(0)

/** A handshake of HTTP/2: an extended CONNECT request on a connection of its own (RFC 8441, section 5). */
export class ConnectAttempt extends Attempt {
  readonly #headers: OutgoingHttpHeaders
  readonly #socket: Duplex
  readonly #session: ClientHttp2Session

  /** Throws `WebSocketOptionError` for a header that Node refuses. */
  constructor (target: Target, settings: HandshakeSettings, createConnection?: () => Duplex) {
    super(settings)
    const headers = this.#headers = connectHeaders(target, settings)
    this.#socket = createConnection?.() ?? connectTo(target, settings, { ALPNProtocols: ['h2'] })
    this.#session = connect(`${headers[':scheme'] as string}://${headers[':authority'] as string}`, {
      createConnection: () => this.#socket as TLSSocket,
      settings: { enablePush: false, initialWindowSize: WINDOW }
    })
    this.#session.once('connect', (session) => { if (!session.destroyed) session.setLocalWindowSize(WINDOW) })
    this.#socket.once('secureConnect', () => this.#checkProtocol())
    this.#session.on('error', (error) => this.lose(failure(error)))
    this.#session.on('close', () => this.lose(new WebSocketUpgradeError('the handshake failed: the connection has ended')))
    this.#session.once('remoteSettings', ({ enableConnectProtocol }) => {
      if (enableConnectProtocol === true) this.#request()
      else this.fail(new WebSocketUpgradeError('the handshake failed: the server takes no WebSockets over HTTP/2 (SETTINGS_ENABLE_CONNECT_PROTOCOL): connect without http2'))
    })
  }

  #checkProtocol (): void {
    if ((this.#socket as TLSSocket).alpnProtocol !== 'h2') this.fail(new WebSocketUpgradeError('the handshake failed: the server does not speak HTTP/2: connect without http2'))
  }

  #request (): void {
    const stream = this.#session.request(this.#headers, { endStream: false })
    stream.on('error', (error) => this.lose(failure(error)))
    stream.on('close', () => this.#end())
    stream.on('response', (headers) => this.#onResponse(stream, headers))
  }

  #onResponse (stream: ClientHttp2Stream, { ':status': status, ...others }: IncomingHttpHeaders & { ':status'?: number }): void {
    const statusCode = status!
    const headers = Object.fromEntries(Object.entries(others)) // without the symbols that Node adds
    if (statusCode < 200 || statusCode > 299) return this.refuse(statusCode, headers, stream)
    if (this.accept(undefined, stream, EMPTY, { statusCode, headers })) endWhenReset(stream)
  }

  /** The stream has ended, and with it the use of the connection. */
  #end (): void {
    this.lose(new WebSocketUpgradeError('the handshake failed: the server has reset the stream'))
    this.#session.close()
    destroyAfterLinger.call(this.#socket)
  }

  protected override dropConnection (): void {
    this.#session.destroy()
    this.#socket.destroy()
  }
}

/** Throws `WebSocketOptionError` for a header that Node refuses. */
function connectHeaders (target: Target, settings: HandshakeSettings): OutgoingHttpHeaders {
  const entries = Object.entries(headersOf(settings, {})).map(([name, value]) => [name.toLowerCase(), value])
  const { host, ...others }: OutgoingHttpHeaders & { host?: string } = Object.fromEntries(entries)
  for (const name of OF_CONNECTION) delete others[name]
  checkHeaders({ host, ...others })
  const authorization = target.auth === undefined ? {} : { authorization: `Basic ${Buffer.from(target.auth).toString('base64')}` }
  return {
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': target.isSecure ? 'https' : 'http',
    ':authority': host === undefined ? authorityOf(target) : String(host),
    ':path': target.path,
    ...authorization,
    ...others
  }
}

function checkHeaders (headers: OutgoingHttpHeaders): void {
  try {
    for (const [name, value] of Object.entries(headers)) {
      validateHeaderName(name)
      for (const item of [value ?? ''].flat()) validateHeaderValue(name, String(item))
    }
  } catch (error) {
    throw new WebSocketOptionError(`connect: ${messageOf(error)}`, { cause: error })
  }
}

/** As `Host` of `http.request`: without the port that the scheme has by default. */
function authorityOf ({ host, port, defaultPort, socketPath }: Target): string {
  if (socketPath !== undefined) return 'localhost'
  const name = isIPv6(host) ? `[${host}]` : host
  return Number(port) === defaultPort ? name : `${name}:${port}`
}
