import { responseOn } from '../handshake/answered'
import { isRead } from '../handshake/waiting-client'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/* Other listeners to upgrades and to CONNECT requests of the same server get the requests that are theirs, and only those. */

/** The listeners of this package to 'connect'. */
const own = new WeakSet<Function>()

/** Marks `listener` as one of this package. */
export function ownListener<Listener extends Function> (listener: Listener): Listener {
  own.add(listener)
  return listener
}

/** Whether `server` has a listener to 'connect' that is not marked. */
export function hasOtherConnects (server: EventEmitter): boolean {
  return server.listeners('connect').some((listener) => !own.has(listener))
}

/**
 * Calls `then` when all listeners to an upgrade have been called. `isServed` tells whether one of them has begun to serve the
 * request. If none has, a response that a listener has put on the connection, and that Fastify did not route, is detached.
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

/** The connections whose handshakes are left to other listeners. */
export class Leftovers {
  readonly #ends = new Set<() => void>()

  /** Adds a connection. The connection is destroyed if no listener has begun to serve it within `timeout` ms, or before `end`. */
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
