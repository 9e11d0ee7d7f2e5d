import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A TCP relay to a port of 127.0.0.1, which can fail as networks fail. The relay ends with the test. */
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

  /** From now on the relay drops all bytes, and neither side learns that the other has left. */
  die (): void {
    this.#isDead = true
  }

  revive (): void {
    this.#isDead = false
  }

  /** Stops the relay without loss: bytes wait at their sender. */
  pause (): void {
    for (const socket of this.#sockets) socket.pause()
  }

  resume (): void {
    for (const socket of this.#sockets) socket.resume()
  }
}
