import { randomBytes } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import querystring from 'node:querystring'
import tls from 'node:tls'
import { defined } from '../base/checks'
import { Deferred } from '../base/deferred'
import { WebSocketOptionError, WebSocketUpgradeError } from '../base/errors'
import { forgetSignal, listenTo, reasonOf } from '../base/signal'
import { messageOf } from '../base/show'
import { guard } from '../base/user-code'
import { acceptKey } from '../protocol/accept-key'
import { tlsOptions } from './client-options'
import { failure, refusal } from './refusal-response'
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectOptions } from '../../types/client'

/** Makes the stream of the client, in place of a network connection. */
export type CreateConnection = () => Duplex

/** A completed opening handshake. */
export interface Opened {
  /**
   * The connection, which has neither a timeout nor a delay. It may already be destroyed. It has a listener for `error` that
   * does nothing, so that an error before the first listener of the caller ends nothing else.
   */
  stream: Duplex
  /** The bytes that came behind the response. */
  head: Buffer
  response: IncomingMessage
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

/** What a URL says, by the names that `http.request` has. */
interface Target {
  host: string
  port: number | string
  defaultPort: number
  path: string
  socketPath: string | undefined
  auth: string | undefined
}

const SCHEMES = ['ws:', 'wss:', 'http:', 'https:', 'ws+unix:']
const SECURE_SCHEMES = ['wss:', 'https:']

function ignore (): void {}

/**
 * Sends the opening handshake to `url` over a new connection, or over the stream of `createConnection`, and resolves when the
 * server has completed it (RFC 6455, section 4.1). After any other end, the connection is destroyed. Rejects
 *
 * - with `WebSocketOptionError` for a URL, a header or an agent that cannot be used,
 * - with `WebSocketUpgradeError` if the server refuses, answers wrongly, cannot be reached, or takes longer than `handshakeTimeout`,
 * - with the reason of `signal` if the signal aborts first.
 */
export async function openHandshake (url: string, settings: HandshakeSettings, createConnection?: CreateConnection): Promise<Opened> {
  const { handshakeTimeout, signal } = settings
  if (signal?.aborted) throw reasonOf(signal)
  const attempt = new Attempt(parseUrl(url), settings, createConnection)
  const onAbort = (): void => attempt.fail(reasonOf(signal!))
  const timer = handshakeTimeout === undefined ? undefined : setTimeout(() => attempt.expire(handshakeTimeout), handshakeTimeout)
  if (signal !== undefined) guard(() => listenTo(signal, onAbort), (error) => attempt.fail(error))
  try {
    return await attempt.opened
  } finally {
    clearTimeout(timer)
    if (signal !== undefined) forgetSignal(signal, onAbort)
  }
}

/** One handshake. It ends once: with a stream or with an error. */
class Attempt {
  readonly #settings: HandshakeSettings
  readonly #key = randomBytes(16).toString('base64')
  readonly #request: ClientRequest
  readonly #opened = new Deferred<Opened>()
  #isOver = false
  /** The response that refuses the handshake. */
  #refusing: IncomingMessage | undefined

  /** Throws `WebSocketOptionError` for a header or an agent that Node refuses. */
  constructor (url: URL, settings: HandshakeSettings, createConnection: CreateConnection | undefined) {
    this.#settings = settings
    const request = this.#request = createRequest(url, headersOf(this.#key, settings), settings, createConnection)
    request.on('upgrade', (response, stream, head) => this.#onUpgrade(response, stream, head))
    request.on('response', (response) => this.#onRefusal(response))
    request.on('error', (error) => this.fail(failure(error)))
    request.end()
  }

  get opened (): Promise<Opened> {
    return this.#opened.promise
  }

  /** Ends the handshake with `error`, and its connection. Does nothing if the handshake is over. */
  fail (error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#opened.reject(error)
    this.#dropConnection()
  }

  /** Ends the handshake because it has lasted for `ms` milliseconds. A refusal keeps the part of its body that has come. */
  expire (ms: number): void {
    if (this.#refusing === undefined) this.fail(new WebSocketUpgradeError(`the handshake failed: no answer within ${ms} ms (handshakeTimeout)`))
    else this.#dropConnection()
  }

  #onUpgrade (response: IncomingMessage, stream: Duplex, head: Buffer): void {
    stream.on('error', ignore)
    const fault = faultOf(response, this.#key, this.#settings)
    if (fault !== undefined) this.fail(failure(new Error(fault)))
    if (this.#isOver) {
      stream.destroy()
      return
    }
    this.#isOver = true
    const socket = stream as Partial<net.Socket> // a stream of `createConnection` may lack these two methods
    socket.setTimeout?.(0)
    socket.setNoDelay?.()
    const { 'sec-websocket-protocol': protocol = '', 'sec-websocket-extensions': extensions } = response.headers
    this.#opened.resolve({ stream, head, response, protocol, extensions })
  }

  #onRefusal (response: IncomingMessage): void {
    this.#refusing = response.on('error', ignore)
    refusal(response).then((error) => this.fail(error))
  }

  #dropConnection (): void {
    const { agent } = this.#settings
    this.#refusing?.destroy()
    this.#request.destroy()
    // Node keeps the connection of a request that is complete: for the next request of an agent, or, without one, for nobody.
    if (!agent) this.#request.socket?.destroy()
  }
}

/** Sends a request, except for its end. Throws `WebSocketOptionError` if Node refuses a header or the agent. */
function createRequest (url: URL, headers: OutgoingHttpHeaders, settings: HandshakeSettings, createConnection: CreateConnection | undefined): ClientRequest {
  const isSecure = SECURE_SCHEMES.includes(url.protocol)
  const target = targetOf(url, isSecure ? 443 : 80)
  const connect = isSecure ? () => connectTls(target, settings) : () => connectTcp(target)
  const { agent } = settings
  // Node uses `createConnection` only without an agent, and then makes a connection for this request alone.
  const connection = agent ? { ...tlsOptions(settings), agent } : { createConnection: createConnection ?? connect }
  try {
    return (isSecure ? https : http).request({ ...target, ...connection, headers })
  } catch (error) {
    throw new WebSocketOptionError(`connect: ${messageOf(error)}`, { cause: error })
  }
}

function connectTcp ({ host, port, socketPath }: Target): Duplex {
  return socketPath === undefined ? net.connect({ host, port: Number(port) }) : net.connect({ path: socketPath })
}

function connectTls ({ host, port }: Target, settings: HandshakeSettings): Duplex {
  const servername = net.isIP(host) === 0 ? host : '' // RFC 6066, section 3: an address is no server name
  return tls.connect({ servername, ...tlsOptions(settings), host, port: Number(port) })
}

/** Throws `WebSocketOptionError` unless `text` is the URL of a WebSocket (RFC 6455, section 3) or has one of the other `SCHEMES`. */
function parseUrl (text: string): URL {
  if (!URL.canParse(text)) throw new WebSocketOptionError(`connect: Invalid URL: ${text}`)
  const url = new URL(text)
  if (!SCHEMES.includes(url.protocol)) throw new WebSocketOptionError('connect: The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"')
  if (url.protocol === 'ws+unix:' && url.pathname === '') throw new WebSocketOptionError('connect: The URL\'s pathname is empty')
  if (url.hash !== '') throw new WebSocketOptionError('connect: The URL contains a fragment identifier')
  return url
}

/** The path of a `ws+unix:` URL is that of a socket, and behind a colon that of the request. */
function targetOf ({ protocol, hostname, port, pathname, search, username, password }: URL, defaultPort: number): Target {
  const whole = pathname + search
  const [, socketPath, path] = protocol === 'ws+unix:' ? /^([^:]*):?(.*)$/.exec(whole)! : [whole, undefined, whole]
  const hasCredentials = username !== '' || password !== ''
  return {
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? defaultPort : port,
    defaultPort, // the header Host leaves this port out
    path,
    socketPath,
    auth: hasCredentials ? [username, password].map(querystring.unescape).join(':') : undefined // `unescape` leaves a wrong escape as it is
  }
}

/** Returns the headers of the request. Headers of the handshake replace the user's headers of the same name, in any case of letters. */
function headersOf (key: string, { extensions, headers = {}, subprotocols = [] }: HandshakeSettings): OutgoingHttpHeaders {
  const own = defined({
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Extensions': extensions,
    'Sec-WebSocket-Protocol': subprotocols.length === 0 ? undefined : subprotocols.join(',')
  })
  const names = Object.keys(own).map((name) => name.toLowerCase())
  const others = Object.entries(defined(headers)).filter(([name]) => !names.includes(name.toLowerCase()))
  return { ...Object.fromEntries(others), ...own } as OutgoingHttpHeaders
}

/** What is wrong with a response that switches protocols, if anything (RFC 6455, section 4.1). */
function faultOf ({ headers }: IncomingMessage, key: string, { extensions, subprotocols = [] }: HandshakeSettings): string | undefined {
  const protocol = headers['sec-websocket-protocol']
  if (!/^websocket$/i.test(headers.upgrade!)) return 'Invalid Upgrade header'
  if (headers['sec-websocket-accept'] !== acceptKey(key)) return 'Invalid Sec-WebSocket-Accept header'
  if (protocol === undefined && subprotocols.length > 0) return 'Server sent no subprotocol'
  if (protocol !== undefined && subprotocols.length === 0) return 'Server sent a subprotocol but none was requested'
  if (protocol !== undefined && !subprotocols.includes(protocol)) return 'Server sent an invalid subprotocol'
  if (headers['sec-websocket-extensions'] !== undefined && extensions === undefined) return 'Server sent a Sec-WebSocket-Extensions header but no extension was requested'
}
