import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { random } from './fuzz'

/** The faults of a relay: what it does to a connection. */
export interface Faults {
  /** The seed of the relay's random numbers. */
  seed: number
  /** In bytes: the largest piece that the relay sends at once. */
  maxPiece: number
  /** In ms: the longest delay of a piece. Most pieces have no delay. */
  maxDelay: number
  /** In bytes, both directions together: when `fault` happens. */
  after: number
  /** The relay resets both sides, ends both sides, or passes nothing for `stall` milliseconds. */
  fault: 'none' | 'reset' | 'end' | 'stall'
  stall: number
}

export interface Relay {
  /** The port of the relay. */
  port: number
  close (): void
}

/** Starts a TCP relay to the server on `port`, for one connection with these faults. */
export async function startRelay (port: number, faults: Faults): Promise<Relay> {
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    sockets.push(client, upstream)
    new Relayed(client, upstream, faults).start()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close () {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}

/** One connection through the relay. */
class Relayed {
  readonly #ends: [Socket, Socket]
  readonly #faults: Faults
  readonly #random: () => number
  #passed = 0
  #isOver = false

  constructor (client: Socket, upstream: Socket, faults: Faults) {
    this.#ends = [client, upstream]
    this.#faults = faults
    this.#random = random(faults.seed)
  }

  start (): void {
    const [client, upstream] = this.#ends
    for (const socket of this.#ends) socket.on('error', () => this.#reset())
    this.#pass(client, upstream)
    this.#pass(upstream, client)
  }

  async #pass (from: Socket, to: Socket): Promise<void> {
    const closed = new Promise((resolve) => { to.once('close', resolve) })
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        for (const piece of this.#pieces(chunk)) {
          await this.#holdUp()
          if (this.#isOver) return
          if (!to.write(piece)) await Promise.race([once(to, 'drain'), closed])
          await this.#count(piece.length)
        }
      }
      if (!this.#isOver) to.end()
    } catch {} // `#reset` has reset the other side, too
  }

  #pieces (chunk: Buffer): Buffer[] {
    const pieces = []
    for (let start = 0; start < chunk.length;) {
      const end = start + 1 + Math.floor(this.#random() * this.#faults.maxPiece)
      pieces.push(chunk.subarray(start, end))
      start = end
    }
    return pieces
  }

  async #holdUp (): Promise<void> {
    const delay = Math.floor(this.#random() ** 20 * (this.#faults.maxDelay + 1))
    if (delay > 0) await setTimeout(delay)
  }

  async #count (bytes: number): Promise<void> {
    const { after, fault, stall } = this.#faults
    const before = this.#passed
    this.#passed += bytes
    if (before >= after || this.#passed < after) return
    if (fault === 'reset') this.#reset()
    if (fault === 'end') this.#end()
    if (fault === 'stall') await setTimeout(stall)
  }

  #reset (): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const socket of this.#ends) {
      // Node 20 never closes a socket that is reset while it ends, and then does not exit.
      if (socket.connecting || socket.writableEnded || socket.writableLength > 0) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  #end (): void {
    this.#isOver = true
    for (const socket of this.#ends) socket.end()
    for (const socket of this.#ends) socket.resume()
  }
}
