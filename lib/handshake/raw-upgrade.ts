import WebSocket, { type WebSocketServer } from 'ws'
import { offeredBy } from './handshake'
import type { Duplex } from 'node:stream'
import type { HeaderPairs } from './headers'
import type { HandshakeRequest } from './kind'
import type { RawWebSocket } from '../../types/raw'

/*
 * A `WebSocketServer` of `ws` upgrades connections of HTTP/1.1 only. These functions open its sockets on other streams, with what
 * its `handleUpgrade` does apart from HTTP/1.1: the same options, events and clients.
 */

/** Parts of `ws` that its types lack. */
interface Ws {
  PerMessageDeflate: { new (options: object): Deflate, extensionName: string }
  extension: {
    parse (header: string): Record<string, object[]>
    format (extensions: object): string
  }
}

interface Deflate {
  params: object
  accept (offers: object[]): object
}

interface Options {
  WebSocket: new (address: null, protocols: undefined, options: object) => RawSocket
  handleProtocols? (protocols: Set<string>, request: HandshakeRequest): string | false
  perMessageDeflate: boolean | object
  maxPayload: number
}

/** The value of `_state` of a server that has closed. */
const CLOSED = 2

/** A server whose `close` has been called tells its listeners when its last client has gone. */
interface Closing extends WebSocketServer { _shouldEmitClose?: boolean }

interface RawSocket extends WebSocket {
  _protocol: string
  _extensions: object
  setSocket (stream: Duplex, head: Buffer, options: object): void
}

/** What a `WebSocketServer` agrees on with a client. */
export interface RawHandshake {
  /** The headers of the response. */
  readonly headers: HeaderPairs
  /** Makes the socket of `ws`, when the response has been written. */
  open (stream: Duplex, then: (raw: RawWebSocket) => void): void
}

/** Agrees with `request` on a subprotocol and on compression, as the options of `server` say. Returns null for an invalid offer of extensions. */
export function negotiateRaw (server: WebSocketServer, request: HandshakeRequest): RawHandshake | null {
  const options = server.options as unknown as Options
  const socket = new options.WebSocket(null, undefined, options)
  const headers: HeaderPairs = []
  const protocol = chooseProtocol(options, request)
  if (protocol) {
    headers.push(['sec-websocket-protocol', protocol])
    socket._protocol = protocol
  }
  try {
    const deflate = acceptDeflate(options, request.headers['sec-websocket-extensions'])
    if (deflate !== null) {
      const { extensionName } = ws.PerMessageDeflate
      headers.push(['sec-websocket-extensions', ws.extension.format({ [extensionName]: [deflate.params] })])
      socket._extensions = { [extensionName]: deflate }
    }
  } catch {
    return null
  }
  const lines: string[] = []
  server.emit('headers', lines, request)
  headers.push(...lines.map(pairIn))
  return { headers, open: (stream, then) => open(server, socket, stream, then) }
}

const ws = WebSocket as unknown as Ws

function chooseProtocol (options: Options, request: HandshakeRequest): string | false | undefined {
  const protocols = new Set(offeredBy(request))
  if (protocols.size === 0) return undefined
  return options.handleProtocols === undefined || options.handleProtocols === null ? [...protocols][0] : options.handleProtocols(protocols, request)
}

/** Throws for an offer that cannot be read. */
function acceptDeflate ({ perMessageDeflate, maxPayload }: Options, header: string | undefined): Deflate | null {
  if (!perMessageDeflate || header === undefined) return null
  const { PerMessageDeflate, extension } = ws
  const offers = extension.parse(header)[PerMessageDeflate.extensionName]
  if (offers === undefined) return null
  const deflate = new PerMessageDeflate({ ...perMessageDeflate as object, isServer: true, maxPayload })
  deflate.accept(offers)
  return deflate
}

/** The name and the value in a line of a header, as a listener to 'headers' adds it. */
function pairIn (line: string): HeaderPairs[number] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
}

function open (server: WebSocketServer, socket: RawSocket, stream: Duplex, then: (raw: RawWebSocket) => void): void {
  socket.setSocket(stream, Buffer.alloc(0), server.options)
  server.clients.add(socket)
  socket.on('close', () => {
    server.clients.delete(socket)
    if ((server as Closing)._shouldEmitClose && server.clients.size === 0) process.nextTick(() => Object.assign(server, { _state: CLOSED }).emit('close'))
  })
  then(socket as unknown as RawWebSocket)
}
