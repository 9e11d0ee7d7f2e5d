import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A network to the server on `port` of this machine, whose connections can be lost without either side hearing of it. */
export class HalfOpenRelay {
  readonly port: number
  readonly #sockets: Set<Socket>

  private constructor (port: number, sockets: Set<Socket>) {
    this.port = port
    this.#sockets = sockets
  }

  static async start (t: Test, port: number): Promise<HalfOpenRelay> {
    const sockets = new Set<Socket>()
    const server = createServer((client) => {
      const upstream = connect(port, '127.0.0.1')
      for (const [from, to] of [[client, upstream], [upstream, client]]) {
        sockets.add(from)
        from.on('error', () => to.destroy()).on('close', () => to.destroy()).pipe(to)
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return new HalfOpenRelay((server.address() as AddressInfo).port, sockets)
  }

  /** From now on nothing that is sent on the connections of until now arrives. New ones work. */
  swallow (): void {
    for (const socket of this.#sockets) socket.unpipe().removeAllListeners('close').resume()
    this.#sockets.clear()
  }
}
