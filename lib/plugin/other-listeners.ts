import { responseOn } from '../handshake/answered'
import { isRead } from '../handshake/waiting-client'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/* Others who listen to the upgrades of the same server: what is theirs is left to them, what is not is kept from them. */

/**
 * Has `then` called when all who listen to an upgrade have heard of it, with whether one of them has begun to serve it.
 * A response that one of them has made for a request that Fastify did not take of it is not on the connection any more.
 */
export function afterOthers ({ socket }: IncomingMessage, stream: Duplex, then: (isServed: boolean) => void): void {
  const { bytesWritten } = socket
  const earlier = responseOn(socket)
  process.nextTick(() => {
    const isServed = isRead(stream) || socket.bytesWritten !== bytesWritten
    const response = responseOn(socket)
    if (!isServed && response !== earlier) response?.detachSocket(socket)
    then(isServed)
  })
}

/** Connections whose handshakes have been left to others. */
export class Leftovers {
  readonly #ends = new Set<() => void>()

  /** One that nobody has begun to serve within `timeout` ms, or before `end`, ends. */
  add ({ socket }: IncomingMessage, stream: Duplex, timeout: number): void {
    const { bytesWritten } = socket
    const end = (): void => {
      clearTimeout(timer)
      this.#ends.delete(end)
      if (!isRead(stream) && socket.bytesWritten === bytesWritten && responseOn(socket) === null) stream.destroy()
    }
    const timer = setTimeout(end, timeout).unref()
    this.#ends.add(end)
  }

  end (): void {
    for (const end of this.#ends) end()
  }
}
