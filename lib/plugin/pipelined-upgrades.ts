import { abort, responseOn, whenAnswered } from '../handshake/answered'
import { WaitingClient } from '../handshake/waiting-client'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectionLimit } from '../handshake/connection-limit'

function ignore (): void {}

/**
 * Calls `then` when the requests that came before `request` on its connection have been answered, as a rule at once. Until
 * then the client is watched, and counted by `limit`. The connection ends where that takes longer than `timeout` ms, or
 * where an earlier response ends it.
 */
export function afterEarlier (request: IncomingMessage, stream: Duplex, limit: ConnectionLimit, timeout: number, then: () => void): void {
  const { socket } = request
  if (responseOn(socket) === null) {
    if (!stream.writableEnded) then() // otherwise the last response ends it
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
      if (response !== null) abort(response.req) // Node does not any more: since the upgrade it does not look at the connection
    },
    onTaken: settle
  })
  stream.on('error', ignore) // 'close' follows
  whenAnswered(socket, () => {
    if (!isWaiting) return
    settle()
    watch.giveBack()
    if (stream.writableEnded) return
    socket.setTimeout(0) // Node limits how long a connection may stay idle after a response
    then()
  })
}
