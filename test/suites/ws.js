'use strict'

// The exports of `ws`, with a server whose sockets are `ws.raw` of sessions. Each server passes its upgrade requests to an
// app of its own. A handler does what the options and events of `ws` do in a handshake, as docs/migrating.md shows.

const Fastify = require('fastify')
const WebSocket = require('ws')
const websocket = require('../../dist/lib')

const servers = new Set()

class Server extends WebSocket.WebSocketServer {
  #app = this.#build()

  constructor (...args) {
    super(...args)
    servers.add(this)
  }

  handleUpgrade (request, stream, head, onConnection) {
    request.onConnection = onConnection
    this.#app.then((app) => app.server.emit('upgrade', request, stream, head))
  }

  async #build () {
    const { maxPayload, perMessageDeflate, closeTimeout, path } = this.options
    const app = Fastify()
    await app.register(websocket, { maxPayload, perMessageDeflate, closeTimeout, receiveType: 'any', heartbeat: false, origins: '*' })
    app.websocket(path ?? '/*', (session, { raw: request }) => this.#serve(session, request))
    await app.ready()
    return app
  }

  async #serve (session, request) {
    const [isAllowed, ...answer] = await this.#verify(request)
    if (!isAllowed) return session.deny(...answer)
    await session.accept({ subprotocol: this.#protocol(request), headers: this.#headers(request) })
    const socket = session.raw
    this.#track(socket)
    request.onConnection(socket, request)
    while (session.state !== 'closed') await session.receive().catch(() => {}) // without receive, the plugin pauses the socket
  }

  #track (socket) {
    const { clients } = this
    clients?.add(socket)
    socket.on('close', () => {
      clients?.delete(socket)
      if (clients?.size === 0 && this._shouldEmitClose) this.emit('close') // the server was closed before its last client
    })
  }

  async #verify (request) {
    const { verifyClient } = this.options
    if (!verifyClient) return [true]
    const info = { req: request, secure: request.socket.encrypted === true, origin: request.headers.origin }
    if (verifyClient.length < 2) return [verifyClient(info), 401]
    return await new Promise((resolve) => verifyClient(info, (isAllowed, code = 401, message, headers) => resolve([isAllowed, code, message, headers])))
  }

  #protocol (request) {
    const { handleProtocols } = this.options
    const offered = new Set(request.headers['sec-websocket-protocol']?.split(/\s*,\s*/))
    const [first] = offered
    return (handleProtocols && first ? handleProtocols(offered, request) : first) || undefined
  }

  #headers (request) {
    const lines = []
    this.emit('headers', lines, request)
    return lines.map((line) => line.split(': '))
  }
}

/** Closes all servers. A failed case may leave a server, which would answer requests of the next cases. */
function closeServers () {
  for (const server of servers) server.close()
  servers.clear()
}

const own = { Server, WebSocketServer: Server, closeServers }

module.exports = new Proxy(WebSocket, { get: (target, name) => own[name] ?? target[name] })
