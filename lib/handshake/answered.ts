import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** On Node, Deno and Bun alike. Nothing public tells: Node's own `closeIdleConnections` looks there, too. */
interface Connection extends Duplex { _httpMessage?: ServerResponse | null }

/** The response that is being sent on `connection`, or will be next; null where no request waits for one. */
export function responseOn (connection: Duplex): ServerResponse | null {
  return (connection as Connection)._httpMessage ?? null
}

/**
 * Calls `then` as soon as each request that has come on `connection` has been answered: at once where there is none.
 * Where the connection ends before, it is called then or not at all.
 */
export function whenAnswered (connection: Duplex, then: () => void): void {
  const response = responseOn(connection)
  if (response === null) then()
  else response.once('close', () => whenAnswered(connection, then))
}

/** Tells all that listen to `request` that its client has left, as Node does. What `injectWS` has made hears nothing. */
export function abort (request: IncomingMessage): void {
  if (typeof request.destroy === 'function') request.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
}
