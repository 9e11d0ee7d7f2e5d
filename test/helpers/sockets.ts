import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import WebSocket, { WebSocketServer, type ServerOptions } from 'ws'

/** Both ends of a connection over TCP, with nothing of this package in between. */
export interface Sockets {
  /** The server's end, and what it reads and writes. */
  server: WebSocket
  stream: Socket
  client: WebSocket
}

/** Connects two plain `ws` sockets, which are dropped at the end of `t`. */
export async function connectSockets (t: Test, options: ServerOptions = {}): Promise<Sockets> {
  const listener = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  t.teardown(() => listener.close())
  await once(listener, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(listener.address() as AddressInfo).port}`)
  t.teardown(() => client.terminate())
  const [[server, request]] = await Promise.all([once(listener, 'connection'), once(client, 'open')])
  return { server, stream: request.socket, client }
}
