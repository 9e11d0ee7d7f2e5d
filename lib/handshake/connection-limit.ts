import { WebSocketHandshakeError } from '../base/errors'
import type { Handshake } from './handshake'

/** How many connections there may be at once, those in their handshake among them. */
export class ConnectionLimit {
  readonly #max: number
  #count = 0

  constructor (max = Infinity) {
    this.#max = max
  }

  /** Counts a connection until the function is called that this returns. */
  hold (): () => void {
    let isCounted = true
    this.#count++
    return () => {
      if (isCounted) this.#count--
      isCounted = false
    }
  }

  /**
   * Counts the connection of `handshake`, until it has ended or the handshake has been refused.
   * Where there is no limit, it counts nothing. Throws `WebSocketHandshakeError` with status 503 where there are as many as there may be.
   */
  admit (handshake: Handshake): void {
    if (this.#max === Infinity) return
    if (this.#count >= this.#max) throw new WebSocketHandshakeError('too many connections', { statusCode: 503 })
    if (handshake.stream.destroyed) return // the client has left already, while earlier hooks were at work
    const leave = this.hold()
    handshake.stream.once('close', leave)
    handshake.over.then(() => { if (handshake.state === 'refused' || handshake.state === 'taken') leave() })
  }
}
