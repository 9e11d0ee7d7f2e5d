import type { FastifyInstance } from 'fastify'
import { connect } from '../../lib/client/client'
import { createApp, listen } from '../helpers/app'
import { loadClient } from '../helpers/client-module'
import { connectHttp2Peer } from '../helpers/http2'
import { HTTP2_SERVERS } from '../helpers/http2-servers'
import { connectPeer, Peer } from '../helpers/peer'
import '../helpers/platform-socket'
import type { Assertions } from './assertions'
import type { ChannelOptions, Ends, Open } from './channel'
import type { OpenStream, StreamChannelOptions, StreamEnds } from './stream-channel'

/** Options of the plugin and of the clients. */
type Settings = Omit<StreamChannelOptions, 'subprotocol' | 'isCompressed'> & { perMessageDeflate: false | { threshold: number } }

/** Adds a route that hands out its session, which lasts until the connection ends. */
function sessionRoute (app: FastifyInstance, subprotocol: string | undefined): Promise<StreamEnds['channel']> {
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

/** The options of the plugin and of the client for a channel. */
function settingsOf ({ subprotocol, isCompressed = false, ...options }: StreamChannelOptions): Settings {
  return { ...options, perMessageDeflate: isCompressed && { threshold: 0 } }
}

/** Drops `peer` before the app closes, because `app.close()` would wait for a peer that does not read. */
function dropped (t: Assertions, peer: Peer): Peer {
  t.teardown(() => peer.socket.terminate())
  return peer
}

async function sessionOverSocket (t: Assertions, options: StreamChannelOptions = {}): Promise<StreamEnds> {
  const app = await createApp(t, settingsOf(options))
  const session = sessionRoute(app, options.subprotocol)
  const port = await listen(app)
  const peer = await connectPeer(t, `ws://127.0.0.1:${port}/`, { subprotocols: offer(options.subprotocol) })
  return { channel: await session, peer: dropped(t, peer) }
}

async function sessionOverInjection (t: Assertions, options: StreamChannelOptions = {}): Promise<StreamEnds> {
  const settings = settingsOf(options)
  const app = await createApp(t, settings)
  const session = sessionRoute(app, options.subprotocol)
  const client = await app.injectWebSocket('/', {
    subprotocols: offer(options.subprotocol),
    perMessageDeflate: settings.perMessageDeflate,
    receiveHighWaterMark: Number.MAX_SAFE_INTEGER // never pauses, like a plain socket
  })
  return { channel: await session, peer: dropped(t, new Peer(client.raw as never)) }
}

async function clientOverSocket (t: Assertions, options: StreamChannelOptions = {}): Promise<StreamEnds> {
  const settings = settingsOf(options)
  const app = await createApp(t, { perMessageDeflate: settings.perMessageDeflate })
  const peer = rawRoute(app)
  const port = await listen(app)
  const channel = await connect(`ws://127.0.0.1:${port}/`, { ...settings, subprotocols: offer(options.subprotocol) })
  return { channel, peer: dropped(t, await peer) }
}

async function clientOverInjection (t: Assertions, options: StreamChannelOptions = {}): Promise<StreamEnds> {
  const settings = settingsOf(options)
  const app = await createApp(t, { perMessageDeflate: settings.perMessageDeflate })
  const peer = rawRoute(app)
  const channel = await app.injectWebSocket('/', { ...settings, subprotocols: offer(options.subprotocol) })
  return { channel, peer: dropped(t, await peer) }
}

type Http2Server = typeof HTTP2_SERVERS[keyof typeof HTTP2_SERVERS]

function originOf (server: Http2Server, port: number): string {
  return `${'https' in server ? 'wss' : 'ws'}://127.0.0.1:${port}`
}

function sessionOverHttp2 (server: Http2Server): OpenStream {
  return async (t, options = {}) => {
    const settings = settingsOf(options)
    const app = await createApp(t, settings, server)
    const session = sessionRoute(app, options.subprotocol)
    const origin = originOf(server, await listen(app))
    if (settings.perMessageDeflate === false) {
      const peer = await connectHttp2Peer(t, origin, { subprotocols: offer(options.subprotocol) })
      return { channel: await session, peer: dropped(t, peer) }
    }
    const client = await connect(origin, { ...OVER_HTTP2, perMessageDeflate: settings.perMessageDeflate, subprotocols: offer(options.subprotocol), receiveHighWaterMark: Number.MAX_SAFE_INTEGER })
    return { channel: await session, peer: dropped(t, new Peer(client.raw as never)) }
  }
}

const OVER_HTTP2 = { http2: true, rejectUnauthorized: false }

function clientOverHttp2 (server: Http2Server): OpenStream {
  return async (t, options = {}) => {
    const settings = settingsOf(options)
    const app = await createApp(t, { perMessageDeflate: settings.perMessageDeflate }, server)
    const peer = rawRoute(app)
    const channel = await connect(originOf(server, await listen(app)), { ...OVER_HTTP2, ...settings, subprotocols: offer(options.subprotocol) })
    return { channel, peer: dropped(t, await peer) }
  }
}

async function clientOverHttp2Injection (t: Assertions, options: StreamChannelOptions = {}): Promise<StreamEnds> {
  const settings = settingsOf(options)
  const app = await createApp(t, { perMessageDeflate: settings.perMessageDeflate }, HTTP2_SERVERS['with TLS'])
  const peer = rawRoute(app)
  const channel = await app.injectWebSocket('/', { http2: true, ...settings, subprotocols: offer(options.subprotocol) })
  return { channel, peer: dropped(t, await peer) }
}

async function platformClient (t: Assertions, options: ChannelOptions = {}): Promise<Ends> {
  const { connect } = await loadClient()
  const { perMessageDeflate, closeTimeout, ...settings } = settingsOf(options)
  const app = await createApp(t, { perMessageDeflate })
  const peer = rawRoute(app)
  const port = await listen(app)
  const channel = await connect(`ws://127.0.0.1:${port}/`, { ...settings, subprotocols: offer(options.subprotocol) })
  return { channel, peer: dropped(t, await peer) }
}

/** The channels over a byte stream. */
export const streamChannels: Record<string, OpenStream> = {
  'a session, over a socket': sessionOverSocket,
  'a session, over injectWebSocket': sessionOverInjection,
  'a client, from connect': clientOverSocket,
  'a client, from injectWebSocket': clientOverInjection,
  'a session, over HTTP/2': sessionOverHttp2(HTTP2_SERVERS['in the clear']),
  'a session, over HTTP/2 with TLS': sessionOverHttp2(HTTP2_SERVERS['with TLS']),
  'a client, from connect over HTTP/2': clientOverHttp2(HTTP2_SERVERS['in the clear']),
  'a client, from connect over HTTP/2 with TLS': clientOverHttp2(HTTP2_SERVERS['with TLS']),
  'a client, from injectWebSocket over HTTP/2': clientOverHttp2Injection
}

/** All channels. The client for browsers has the platform's WebSocket. */
export const channels: Record<string, Open> = {
  ...streamChannels,
  'a client for browsers, from connect': platformClient
}
