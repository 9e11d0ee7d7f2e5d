import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A TCP relay to a server, or to several in turn, whose line a test breaks and mends. */
export class Gate {
  readonly #targets: number[]
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #passes = true
  #count = 0
  /** The port of the relay. */
  port = 0

  private constructor (targets: number[]) {
    this.#targets = targets
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#relay(client))
  }

  /** Opens a relay to the servers on the ports `targets`: each connection goes to the next one. The relay closes at the end of `t`. */
  static async open (t: Test, ...targets: number[]): Promise<Gate> {
    const gate = new Gate(targets)
    await gate.#listen()
    t.teardown(() => gate.cut())
    return gate
  }

  /** Swallows all bytes, in both directions, also of new connections. No connection ends. */
  swallow (): void {
    this.#passes = false
    for (const socket of this.#sockets) deafen(socket)
  }

  /** Ends all connections, and refuses new ones. */
  cut (): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Lets new connections pass. Those whose bytes have been swallowed stay as they are. */
  async mend (): Promise<void> {
    this.#passes = true
    if (!this.#server.listening) await this.#listen()
  }

  async #listen (): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
  }

  #relay (client: Socket): void {
    this.#keep(client)
    if (!this.#passes) return deafen(client)
    const port = this.#targets[this.#count++ % this.#targets.length]
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.#keep(upstream)
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from.on('data', (chunk) => to.write(chunk))
      from.on('end', () => to.end())
      from.on('close', () => { if (from.listenerCount('data') > 0) to.destroy() })
    }
  }

  #keep (socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => this.#sockets.delete(socket))
  }
}

/** Reads what comes, and does nothing with it. */
function deafen (socket: Socket): void {
  socket.removeAllListeners('data').removeAllListeners('end').resume()
}
