import { abort, responseOn, whenAnswered } from '../handshake/answered'
import { WaitingClient } from '../handshake/waiting-client'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectionLimit } from '../handshake/connection-limit'

function ignore (): void {}

/**
 * Calls `then` when the requests before `request` on its connection have been answered, usually at once. Until then, the client is
 * watched, and `limit` counts the connection. The connection ends if the wait takes longer than `timeout` ms, or if an earlier
 * response ends the connection.
 */
export function afterEarlier (request: IncomingMessage, stream: Duplex, limit: ConnectionLimit, timeout: number, then: () => void): void {
  const { socket } = request
  if (responseOn(socket) === null) {
    if (!stream.writableEnded) then() // otherwise the last response ends the connection
    return
  }
  let isWaiting = true
  const leave = limit.hold()
  const timer = setTimeout(() => stream.destroy(), timeout)
  const settle = (): void => {
    isWaiting = false
    clearTimeout(timer)
    leave()
    stream.removeListener('error', ignore)
  }
  const watch = new WaitingClient(stream, {
    onLeave () {
      settle()
      const response = responseOn(socket)
      if (response !== null) abort(response.req) // Node does not: since the upgrade, Node does not watch the connection
    },
    onTaken: settle
  })
  stream.on('error', ignore) // 'close' follows
  whenAnswered(socket, () => {
    if (!isWaiting) return
    settle()
    watch.giveBack()
    if (stream.writableEnded) return
    socket.setTimeout(0) // Node limits the idle time of a connection after a response
    then()
  })
}
