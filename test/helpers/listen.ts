import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Test } from 'tap'

/** Lets `server` listen on a free port of 127.0.0.1, or on `path`. The server and its connections end with `t`. Returns the port. */
export async function listen (t: Test, server: Server, path?: string): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
