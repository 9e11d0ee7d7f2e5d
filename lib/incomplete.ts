import { Server } from 'node:http'
import { Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/*
 * A server of Node that closes ends the connections that are idle and waits for all others. One on which half a request
 * has come, or nothing yet, is no idle one, and nothing limits its time any more once the server has begun to close:
 * a client that never sends the rest would keep the app from closing, and the process from ending.
 */

/** Sees to it that `app`, when it closes, does not wait for requests that have not come to the end of their head. */
export function dropIncompleteRequests (app: FastifyInstance): void {
  dropAtClose(app.server)
  app.addHook('onListen', function () {
    for (const server of furtherServers(this)) dropAtClose(server)
  })
}

/** An app that listens on `localhost` has a server for each of its addresses, and shows only the first. */
function furtherServers (app: FastifyInstance): unknown[] {
  const servers: unknown[] = []
  for (let owner: object | null = app; owner !== null; owner = Object.getPrototypeOf(owner)) {
    for (const key of Object.getOwnPropertySymbols(owner)) {
      if (key.description === 'fastify.serverBindings') servers.push(...(owner as Record<symbol, unknown[]>)[key])
    }
  }
  return servers
}

function dropAtClose (server: unknown): void {
  if (!(server instanceof Server || server instanceof SecureServer)) return // HTTP/2 has no such connections
  const close = server.close.bind(server) as Server['close']
  server.close = (callback) => {
    close(callback)
    for (const socket of socketsOf(server)) if (!isAnswering(socket)) socket.destroy()
    return server as Server & SecureServer
  }
}

interface Tracking { [key: symbol]: { all (): { socket: Socket }[] } | undefined }

/** The connections from which requests come; those that were upgraded are none of them. Node's own `closeAllConnections` looks there. */
function socketsOf (server: Server | SecureServer): Socket[] {
  const key = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'http.server.connections')
  const connections = (server as unknown as Tracking)[key!]?.all() ?? [] // a server that does not listen has none
  return connections.map(({ socket }) => socket)
}

/** Nothing public tells: Node's own `closeIdleConnections` looks there, too. */
function isAnswering (socket: Socket): boolean {
  return ((socket as { _httpMessage?: object | null })._httpMessage ?? null) !== null
}
