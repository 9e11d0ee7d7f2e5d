import { once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { text } from 'node:stream/consumers'
import WebSocket from 'ws'
import { Peer } from './peer'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import type { Refusal } from './refusal'

/** Bytes. Browsers have windows of this size or more. */
const WINDOW = 4 * 1024 * 1024

/** Opens an HTTP/2 connection to `origin`, and waits for the settings of the server. The connection is destroyed at the end of `t`. */
export async function openSession (t: Pick<Test, 'teardown'>, origin: string, options: object = {}): Promise<ClientHttp2Session> {
  const session = connect(origin.replace('ws', 'http'), { rejectUnauthorized: false, settings: { initialWindowSize: WINDOW }, ...options })
  t.teardown(() => session.destroy())
  session.on('error', () => {}) // 'close' follows
  await new Promise((resolve, reject) => {
    session.once('remoteSettings', resolve).once('close', () => reject(new Error('the connection has ended before the settings of the server')))
  })
  session.setLocalWindowSize(WINDOW)
  return session
}

/** Sends an extended CONNECT request. An error of the stream ends nothing: 'close' follows. */
export function connectRequest (session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const all = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13', ...headers }
  return session.request(all, { endStream: false }).on('error', () => {})
}

/** Resolves with the headers of the response to `stream`. Rejects if there is none. */
export async function responseTo (stream: ClientHttp2Stream): Promise<IncomingHttpHeaders & { ':status'?: number }> {
  const closed = once(stream, 'close').then(() => { throw new Error(`the stream was reset with ${stream.rstCode}`) })
  closed.catch(() => {})
  const [headers] = await Promise.race([once(stream, 'response'), closed])
  return Object.fromEntries(Object.entries(headers)) as IncomingHttpHeaders // without the symbols that Node adds
}

/** Sends a handshake to `origin` on a connection of its own. Resolves with the response of the server, which must refuse the handshake. */
export async function http2Refusal (origin: string, path: string, headers?: OutgoingHttpHeaders): Promise<Refusal> {
  const sessions: ClientHttp2Session[] = []
  try {
    const session = await openSession({ teardown: (end: unknown) => { sessions.push(end as never) } } as never, origin)
    return await refusalOf(connectRequest(session, path, headers))
  } finally {
    for (const end of sessions as unknown as (() => void)[]) end()
  }
}

/** Resolves with the response to `stream`, which must refuse the handshake. */
export async function refusalOf (stream: ClientHttp2Stream): Promise<Refusal> {
  const { ':status': status, ...headers } = await responseTo(stream)
  if (status === 200) throw new Error('the handshake was accepted')
  const body = await text(stream)
  stream.end()
  return { status: status!, headers, body }
}

export interface Http2PeerOptions {
  subprotocols?: string[]
  origin?: string
  headers?: OutgoingHttpHeaders
  /** Whether to offer compression, as `ws` does by default. */
  perMessageDeflate?: boolean | object
  /** Whether to answer pings. */
  autoPong?: boolean
}

/** Connects a plain `ws` socket to `url` over an HTTP/2 connection of its own, which is destroyed at the end of `t`. */
export async function connectHttp2Peer (t: Pick<Test, 'teardown'>, url: string, { subprotocols = [], origin, headers = {}, perMessageDeflate = true, autoPong = true }: Http2PeerOptions = {}): Promise<Peer> {
  const { pathname, search, protocol: scheme, host } = new URL(url)
  const session = await openSession(t, `${scheme.replace('ws', 'http')}//${host}`)
  const { host: authority, ...others } = headers
  const own = {
    ...others,
    ...authority !== undefined && { ':authority': authority },
    ...subprotocols.length > 0 && { 'sec-websocket-protocol': subprotocols.join(',') },
    ...origin !== undefined && { origin },
    ...perMessageDeflate !== false && { 'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits' }
  }
  const stream = connectRequest(session, pathname + search, own)
  const peer = await peerOf(stream, autoPong)
  stream.once('close', () => session.close())
  return peer
}

/** Resolves with a plain `ws` socket on `stream`, when the server has accepted its handshake. */
export async function peerOf (stream: ClientHttp2Stream, autoPong = true): Promise<Peer> {
  const { ':status': status, ...headers } = await responseTo(stream)
  if (status !== 200) throw new Error(`the handshake failed: ${status}`)
  stream.on('aborted', () => stream.destroy()) // otherwise a reset with NO_ERROR does not end a stream with a write under way
  return new Peer(socketOver(stream, headers, autoPong))
}

/** The socket of `ws` for the client's side of an open connection. */
function socketOver (stream: Duplex, { 'sec-websocket-protocol': protocol = '', 'sec-websocket-extensions': extensions }: IncomingHttpHeaders, autoPong: boolean): WebSocket {
  const options = { autoPong, closeTimeout: 30_000, maxPayload: 100 * 1024 * 1024, allowSynchronousEvents: true }
  const socket: any = new WebSocket(null as never, undefined, options as never)
  socket._isServer = false // without an address, it would be the server's side
  socket._protocol = protocol
  if (extensions !== undefined) {
    const { extension, PerMessageDeflate } = WebSocket as any
    const deflate = new PerMessageDeflate({ isServer: false, maxPayload: options.maxPayload })
    deflate.accept(extension.parse(extensions)['permessage-deflate'])
    socket._extensions = { 'permessage-deflate': deflate }
  }
  socket.setSocket(stream, Buffer.alloc(0), options)
  return socket
}
