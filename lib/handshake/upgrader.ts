import { WebSocketServer } from 'ws'
import { SessionWebSocket } from '../protocol/websocket'
import { Handshake } from './handshake'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RawWebSocket } from '../../types/raw'

/** What applies to the connections of a route, in bytes and milliseconds. */
export interface UpgraderOptions {
  maxPayload: number
  perMessageDeflate: boolean | object
  closeTimeout: number
}

/**
 * A message may come in so many fragments that each has so many bytes, and in so many whatever its size. A fragment keeps
 * in memory what was read with it, 64 KiB, however small it is itself.
 */
const FRAGMENT = 1024
const MIN_FRAGMENTS = 1024

/** A frame may come in so many reads that each has so many bytes. */
const CHUNK = 16

const EMPTY = Buffer.alloc(0)

/** The options of `WebSocketServer` that `options` stand for. */
export function serverOptions ({ maxPayload, perMessageDeflate, closeTimeout }: UpgraderOptions): object {
  return {
    maxPayload,
    maxFragments: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / FRAGMENT)),
    maxBufferedChunks: Math.max(MIN_FRAGMENTS, Math.ceil(maxPayload / CHUNK)),
    perMessageDeflate,
    closeTimeout
  }
}

/** Answers handshakes that have been decided with 101, by way of a `WebSocketServer` that nobody else knows. */
export class Upgrader {
  readonly #server: WebSocketServer

  constructor (options: UpgraderOptions) {
    this.#server = new WebSocketServer({
      ...serverOptions(options),
      noServer: true,
      clientTracking: false,
      maxPendingAutoPongs: 0, // `SessionWebSocket` sees to pings
      WebSocket: SessionWebSocket,
      // A refusal decides nothing: the first will do, without which a browser fails the connection by itself.
      handleProtocols: (offered: Set<string>, request: IncomingMessage) => Handshake.of(request)!.protocol ?? offered.values().next().value
    } as object)
    this.#server.on('headers', (lines, request) => {
      for (const [name, value] of Handshake.of(request)!.headers) lines.push(`${name}: ${value}`)
    })
  }

  /** Completes the handshake of `request`. Returns null where the client is no longer there. */
  upgrade (request: IncomingMessage): RawWebSocket | null {
    let upgraded: RawWebSocket | null = null
    this.#server.handleUpgrade(request, Handshake.of(request)!.stream, EMPTY, (raw) => { upgraded = raw })
    return upgraded
  }
}

/**
 * Completes the handshake of a route with `raw: true` by way of `app.websocketServer`, as @fastify/websocket does. What
 * the route sets in `options` is there for as long as the call lasts: other routes have other values.
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
