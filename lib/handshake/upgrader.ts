import { WebSocketServer } from 'ws'
import { SessionWebSocket } from '../protocol/websocket'
import { Handshake } from './handshake'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RawWebSocket } from '../../types/raw'

/** The options of the connections of a route: `maxPayload` in bytes, `closeTimeout` in milliseconds. */
export interface UpgraderOptions {
  maxPayload: number
  perMessageDeflate: boolean | object
  closeTimeout: number
}

/**
 * A message may have one fragment per `FRAGMENT` bytes of `maxPayload`, and at least `MIN_FRAGMENTS` fragments. A fragment of any
 * size keeps its whole read of 64 KiB in memory.
 */
const FRAGMENT = 1024
const MIN_FRAGMENTS = 1024

/** A frame may arrive in one read per `CHUNK` bytes of `maxPayload`, and at least in `MIN_FRAGMENTS` reads. */
const CHUNK = 16

const EMPTY = Buffer.alloc(0)

/** Returns the options of `WebSocketServer` for `options`. */
export function serverOptions ({ maxPayload, perMessageDeflate, closeTimeout }: UpgraderOptions): object {
  return {
    maxPayload,
    maxFragments: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / FRAGMENT)),
    maxBufferedChunks: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / CHUNK)),
    perMessageDeflate,
    closeTimeout
  }
}

/** Sends the 101 responses of accepted handshakes, through a private `WebSocketServer`. */
export class Upgrader {
  readonly #server: WebSocketServer

  constructor (options: UpgraderOptions) {
    this.#server = new WebSocketServer({
      ...serverOptions(options),
      noServer: true,
      clientTracking: false,
      maxPendingAutoPongs: 0, // `SessionWebSocket` answers pings
      WebSocket: SessionWebSocket,
      // A refusal with a connection decides no subprotocol. It takes the first offered one: without one, a browser fails the
      // connection by itself.
      handleProtocols: (offered: Set<string>, request: IncomingMessage) => Handshake.of(request)!.protocol ?? offered.values().next().value
    } as object)
    this.#server.on('headers', (lines, request) => {
      for (const [name, value] of Handshake.of(request)!.headers) lines.push(`${name}: ${value}`)
    })
  }

  /** Completes the handshake of `request`. Returns null if the client has left. */
  upgrade (request: IncomingMessage): RawWebSocket | null {
    let upgraded: RawWebSocket | null = null
    this.#server.handleUpgrade(request, Handshake.of(request)!.stream, EMPTY, (raw) => { upgraded = raw })
    return upgraded
  }
}

/**
 * Completes the handshake of a route with `raw: true` through `app.websocketServer`, as @fastify/websocket does. The server has
 * the `options` of the route only during the call, since other routes have other values.
 */
export function upgradeRaw (server: WebSocketServer, request: IncomingMessage, stream: Duplex, options: Pick<UpgraderOptions, 'maxPayload' | 'perMessageDeflate'>, then: (raw: RawWebSocket) => void): void {
  const { maxPayload, perMessageDeflate } = server.options
  const ofRoute = { maxPayload: options.maxPayload, perMessageDeflate: options.perMessageDeflate as boolean }
  Object.assign(server.options, ofRoute)
  try {
    server.handleUpgrade(request, stream, EMPTY, (raw) => {
      server.emit('connection', raw, request)
      then(raw)
    })
  } finally {
    Object.assign(server.options, { maxPayload, perMessageDeflate })
  }
}
