import { WebSocketOptionError } from '../base/errors'
import { destroyAfterLinger } from '../base/linger'
import { Handshake } from '../handshake/handshake'
import { http2 } from '../handshake/http2'
import { isRead } from '../handshake/waiting-client'
import { hasOtherConnects, ownListener } from './other-listeners'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Http2Server, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import type { AppState } from './app-state'
import type { Dispatch } from './dispatch'

/*
 * Over HTTP/2, a WebSocket connection begins with an extended CONNECT request (RFC 8441). A server has to announce in its settings
 * that it takes such requests. Node gives CONNECT requests of HTTP/2, and those of HTTP/1.1, to the listeners to 'connect'.
 */

/** Whether `server` speaks HTTP/2, of all kinds of servers that Fastify takes. */
export function speaksHttp2 (server: object): boolean {
  return 'updateSettings' in server
}

/** Throws `WebSocketOptionError` if the option `http2` asks for what `server` cannot do. */
export function checkHttp2 ({ settings }: AppState, server: object): void {
  if (settings.http2 !== true || speaksHttp2(server)) return
  throw new WebSocketOptionError('option http2 is true, but the server does not speak HTTP/2: use Fastify({ http2: true }), or leave the option out')
}

/**
 * Has `dispatch` route the WebSocket requests that come to `server` over HTTP/2, and announces to new clients that they may send
 * them. Does nothing if `server` does not speak HTTP/2, or if the option `http2` is false. Returns a function that undoes this.
 */
export function serveConnects (server: Server, appState: AppState, dispatch: Dispatch): () => void {
  if (!speaksHttp2(server) || appState.settings.http2 === false) return () => {}
  const { updateSettings } = server as unknown as Http2Server
  const onConnect = ownListener((request: Http2ServerRequest, response: Http2ServerResponse): void => {
    if (request.httpVersionMajor === 2) take(server, appState, dispatch, request, response)
  })
  server.on('connect', onConnect as never)
  updateSettings.call(server as never, { enableConnectProtocol: true })
  return () => {
    updateSettings.call(server as never, { enableConnectProtocol: false })
    server.removeListener('connect', onConnect as never)
  }
}

/** Serves a CONNECT request, unless it is left to another listener. */
function take (server: Server, appState: AppState, dispatch: Dispatch, request: Http2ServerRequest, response: Http2ServerResponse): void {
  const isForWebSocket = request.headers[':protocol'] === 'websocket'
  if (!hasOtherConnects(server)) {
    if (isForWebSocket) dispatchConnect(dispatch, request, response)
    else refuse(response, request.headers[':protocol'] === undefined ? 405 : 501)
  } else if (isForWebSocket && appState.lookup.has({ method: 'GET', url: request.url, headers: request.headers } as IncomingMessage)) {
    const handshake = Handshake.begin(http2, request as never, request.stream as Duplex, appState.handshakes)
    process.nextTick(() => {
      if (response.headersSent || isRead(request.stream)) handshake.abandon()
      else dispatchConnect(dispatch, request, response)
    })
  }
}

function dispatchConnect (dispatch: Dispatch, request: Http2ServerRequest, response: Http2ServerResponse): void {
  dispatch(http2, asGet(request), request.stream as Duplex, () => response as unknown as ServerResponse)
}

/** Answers a request that is for nobody: 405 to CONNECT without a protocol, as Node does, 501 for another protocol (RFC 8441, section 4). */
function refuse (response: Http2ServerResponse, status: number): void {
  response.statusCode = status
  response.stream.on('finish', destroyAfterLinger)
  response.end()
}

/**
 * Makes `request` one of the method of WebSocket routes, without a body: the stream has messages. The stream keeps what a handler may
 * ask of the connection, by the names that a socket has: Node asks the stream when the connection is gone.
 */
function asGet (request: Http2ServerRequest): IncomingMessage {
  const { remoteAddress, remotePort, encrypted } = request.socket as Http2ServerRequest['socket'] & { encrypted?: boolean }
  Object.assign(request.stream, { remoteAddress, remotePort, encrypted })
  request.push(null)
  return Object.defineProperty(request as unknown as IncomingMessage, 'method', { value: 'GET', writable: true })
}
