import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { connect } from '../../lib/client/client'
import type { ValueType } from '../../types/message'
import type { RawWebSocket } from '../../types/raw'
import type { WebSocketChannel } from '../../types/session'
import { createApp, listen } from '../helpers/app'
import { connectPeer, Peer } from '../helpers/peer'

/** Options of the channel, on either side. */
export interface ChannelOptions {
  valueType?: ValueType
  receiveType?: ValueType
  sendType?: ValueType
  maxPayload?: number
  receiveHighWaterMark?: number
  sendHighWaterMark?: number
  sendTimeout?: number
  closeTimeout?: number
  /** A subprotocol that both sides know. */
  perMessageDeflate?: boolean | object
  /** The subprotocol that both sides know. */
  subprotocol?: string
}

/** A channel, and a plain `ws` socket at the other end. */
export interface Ends {
  channel: WebSocketChannel<any> & { readonly raw: RawWebSocket | null }
  peer: Peer
}

export type Open = (t: Test, options?: ChannelOptions) => Promise<Ends>

/** Adds a route that hands out its session, which lasts until the connection ends. */
function sessionRoute (app: FastifyInstance, subprotocol: string | undefined): Promise<Ends['channel']> {
  return new Promise((resolve) => {
    app.websocket('/', { websocket: { subprotocols: offer(subprotocol) } }, async (ws) => {
      resolve(await ws.accept())
      await ws.closed
    })
  })
}

/** Adds a route that hands out its plain `ws` socket. */
function rawRoute (app: FastifyInstance): Promise<Peer> {
  return new Promise((resolve) => {
    app.websocket('/', { websocket: { raw: true } }, (socket) => { resolve(new Peer(socket as never)) })
  })
}

function offer (subprotocol: string | undefined): string[] {
  return subprotocol === undefined ? [] : [subprotocol]
}

/** Drops `peer` before the app closes, because `app.close()` would wait for a peer that does not read. */
function dropped (t: Test, peer: Peer): Peer {
  t.teardown(() => peer.socket.terminate())
  return peer
}

async function sessionOverSocket (t: Test, { subprotocol, ...options }: ChannelOptions = {}): Promise<Ends> {
  const app = await createApp(t, options)
  const session = sessionRoute(app, subprotocol)
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/`, { subprotocols: offer(subprotocol) })
  return { channel: await session, peer: dropped(t, peer) }
}

async function sessionOverInjection (t: Test, { subprotocol, ...options }: ChannelOptions = {}): Promise<Ends> {
  const app = await createApp(t, options)
  const session = sessionRoute(app, subprotocol)
  const client = await app.injectWebSocket('/', {
    subprotocols: offer(subprotocol),
    perMessageDeflate: options.perMessageDeflate,
    receiveHighWaterMark: Number.MAX_SAFE_INTEGER // never pauses, like a plain socket
  })
  return { channel: await session, peer: dropped(t, new Peer(client.raw as never)) }
}

async function clientOverSocket (t: Test, { subprotocol, ...options }: ChannelOptions = {}): Promise<Ends> {
  const app = await createApp(t, { perMessageDeflate: options.perMessageDeflate })
  const peer = rawRoute(app)
  const port = await listen(app)
  const channel = await connect(`ws://127.0.0.1:${port}/`, { ...options, subprotocols: offer(subprotocol) })
  return { channel, peer: dropped(t, await peer) }
}

async function clientOverInjection (t: Test, { subprotocol, ...options }: ChannelOptions = {}): Promise<Ends> {
  const app = await createApp(t, { perMessageDeflate: options.perMessageDeflate })
  const peer = rawRoute(app)
  const channel = await app.injectWebSocket('/', { ...options, subprotocols: offer(subprotocol) })
  return { channel, peer: dropped(t, await peer) }
}

/** The implementations of the contract. */
export const channels: Record<string, Open> = {
  'a session, over a socket': sessionOverSocket,
  'a session, over injectWebSocket': sessionOverInjection,
  'a client, from connect': clientOverSocket,
  'a client, from injectWebSocket': clientOverInjection
}
