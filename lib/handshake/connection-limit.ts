import { WebSocketHandshakeError } from '../base/errors'
import type { Handshake } from './handshake'

/** Limits the number of connections at a time. Connections whose handshake is not complete count as well. */
export class ConnectionLimit {
  readonly #max: number
  #count = 0

  constructor (max = Infinity) {
    this.#max = max
  }

  /** Counts a connection until the returned function is called. */
  hold (): () => void {
    let isCounted = true
    this.#count++
    return () => {
      if (isCounted) this.#count--
      isCounted = false
    }
  }

  /**
   * Counts the connection of `handshake` until the connection has ended or the handshake is refused. Counts nothing if there
   * is no limit. Throws `WebSocketHandshakeError` with status 503 if the limit is reached.
   */
  admit (handshake: Handshake): void {
    if (this.#max === Infinity) return
    if (this.#count >= this.#max) throw new WebSocketHandshakeError('too many connections', { statusCode: 503 })
    if (handshake.stream.destroyed) return // the client has left while earlier hooks were running
    const leave = this.hold()
    handshake.stream.once('close', leave)
    handshake.over.then(() => { if (handshake.state === 'refused' || handshake.state === 'taken') leave() })
  }
}
