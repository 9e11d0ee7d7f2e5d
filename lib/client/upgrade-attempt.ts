import { randomBytes } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { WebSocketOptionError } from '../base/errors'
import { messageOf } from '../base/show'
import { acceptKey } from '../protocol/accept-key'
import { Attempt, headersOf, ignore, type HandshakeSettings } from './attempt'
import { tlsOptions } from './client-options'
import { failure } from './refusal-response'
import { connectTo, type Target } from './target'
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** A handshake of HTTP/1.1, which upgrades its connection (RFC 6455, section 4.1). */
export class UpgradeAttempt extends Attempt {
  readonly #key = randomBytes(16).toString('base64')
  readonly #request: ClientRequest
  /** The response that refuses the handshake. */
  #refusing: IncomingMessage | undefined

  /** Throws `WebSocketOptionError` for a header or an agent that Node refuses. */
  constructor (target: Target, settings: HandshakeSettings, createConnection?: () => Duplex) {
    super(settings)
    const headers = headersOf(settings, { 'Sec-WebSocket-Key': this.#key, Connection: 'Upgrade', Upgrade: 'websocket' })
    const request = this.#request = createRequest(target, headers, settings, createConnection)
    request.on('upgrade', (response, stream, head) => this.#onUpgrade(response, stream, head))
    request.on('response', (response) => this.#onRefusal(response))
    request.on('error', (error) => this.lose(failure(error)))
    request.end()
  }

  #onUpgrade (response: IncomingMessage, stream: Duplex, head: Buffer): void {
    if (!this.accept(faultOf(response, this.#key), stream, head, response)) {
      stream.destroy()
      return
    }
    const socket = stream as Partial<Socket> // a stream of `createConnection` may lack these two methods
    socket.setTimeout?.(0)
    socket.setNoDelay?.()
  }

  #onRefusal (response: IncomingMessage): void {
    this.#refusing = response.on('error', ignore)
    this.refuse(response.statusCode!, response.headers, response)
  }

  protected override dropConnection (): void {
    const { agent } = this.settings
    this.#refusing?.destroy()
    this.#request.destroy()
    // Node keeps the connection of a request that is complete: for the next request of an agent, or, without one, for nobody.
    if (!agent) this.#request.socket?.destroy()
  }
}

/** Sends a request, except for its end. Throws `WebSocketOptionError` if Node refuses a header or the agent. */
function createRequest (target: Target, headers: OutgoingHttpHeaders, settings: HandshakeSettings, createConnection: (() => Duplex) | undefined): ClientRequest {
  const { isSecure, ...options } = target
  const { agent } = settings
  // Node uses `createConnection` only without an agent, and then makes a connection for this request alone.
  const connection = agent ? { ...tlsOptions(settings), agent } : { createConnection: createConnection ?? (() => connectTo(target, settings)) }
  try {
    return (isSecure ? https : http).request({ ...options, ...connection, headers })
  } catch (error) {
    throw new WebSocketOptionError(`connect: ${messageOf(error)}`, { cause: error })
  }
}

/** What is wrong with a response that switches protocols, if anything (RFC 6455, section 4.1). */
function faultOf ({ headers }: IncomingMessage, key: string): string | undefined {
  if (!/^websocket$/i.test(headers.upgrade!)) return 'Invalid Upgrade header'
  if (headers['sec-websocket-accept'] !== acceptKey(key)) return 'Invalid Sec-WebSocket-Accept header'
}
