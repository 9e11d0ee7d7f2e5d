import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A network to the server on a port of this machine, which can fail as networks do. It ends with the test. */
export class Link {
  readonly port: number
  readonly #sockets: Set<Socket>
  #isDead = false

  private constructor (port: number, sockets: Set<Socket>) {
    this.port = port
    this.#sockets = sockets
  }

  static async start (t: Test, port: number): Promise<Link> {
    const sockets = new Set<Socket>()
    const server = createServer((client) => {
      const upstream = connect(port, '127.0.0.1')
      for (const [from, to] of [[client, upstream], [upstream, client]]) {
        sockets.add(from)
        from.on('data', (chunk) => { if (!link.#isDead) to.write(chunk) })
        from.on('error', () => {}) // 'close' follows
        from.on('close', () => {
          sockets.delete(from)
          if (!link.#isDead) to.destroy()
        })
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const link = new Link((server.address() as AddressInfo).port, sockets)
    t.teardown(() => {
      server.close()
      for (const socket of sockets) socket.destroy()
    })
    return link
  }

  /** From now on all that is sent is swallowed, and nobody hears that anybody has left. */
  die (): void {
    this.#isDead = true
  }

  revive (): void {
    this.#isDead = false
  }

  /** Nothing passes any more, and nothing is lost: who sends is held up. */
  pause (): void {
    for (const socket of this.#sockets) socket.pause()
  }

  resume (): void {
    for (const socket of this.#sockets) socket.resume()
  }
}
