import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/**
 * A connection, with the response that Node is sending on it. `_httpMessage` is not public, but Node, Deno and Bun all have
 * it: Node's own `closeIdleConnections` reads it.
 */
interface Connection extends Duplex { _httpMessage?: ServerResponse | null }

/** Returns the response that is being sent on `connection`, or that is the next to be sent; null if no request waits for one. */
export function responseOn (connection: Duplex): ServerResponse | null {
  return (connection as Connection)._httpMessage ?? null
}

/**
 * Calls `then` when all requests that have arrived on `connection` are answered, or at once if there is none. If the
 * connection ends first, `then` is called at that end or not at all.
 */
export function whenAnswered (connection: Duplex, then: () => void): void {
  const response = responseOn(connection)
  if (response === null) then()
  else response.once('close', () => whenAnswered(connection, then))
}

/** Tells the listeners of `request` that its client has left, as Node does. Requests of `injectWS` have no `destroy`. */
export function abort (request: IncomingMessage): void {
  if (typeof request.destroy === 'function') request.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
}
