import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { join } from 'node:path'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import WebSocket, { WebSocketServer } from 'ws'

/** Both ends of a WebSocket connection of `ws`, without this package. */
export interface WebSocketPair {
  /** The server's end. `stream` is its TCP or TLS socket. */
  server: WebSocket
  stream: Socket
  client: WebSocket
}

export interface WebSocketPairOptions {
  /** Whether the connection uses TLS. */
  secure?: boolean
}

/** Connects two `ws` sockets. The connection is terminated at the end of `t`. */
export async function connectWebSockets (t: Test, { secure = false }: WebSocketPairOptions = {}): Promise<WebSocketPair> {
  const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))
  const listener = secure ? createSecureServer({ key: fixture('key.pem'), cert: fixture('cert.pem') }) : createServer()
  const webSocketServer = new WebSocketServer({ server: listener })
  t.teardown(() => listener.close())
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const client = new WebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => client.terminate())
  const [[server, request]] = await Promise.all([once(webSocketServer, 'connection'), once(client, 'open')])
  return { server, stream: request.socket, client }
}
