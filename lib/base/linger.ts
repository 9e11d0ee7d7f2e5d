import { startTimer, stopTimer } from './clock'
import type { Duplex } from 'node:stream'

/** The milliseconds that the other side has to end its side of a connection, or of a stream of HTTP/2. */
const LINGER = 1_000

/** A listener to 'finish' of a connection or a stream: this side has ended. Destroys it a second later, unless it has closed by then. */
export function destroyAfterLinger (this: Duplex): void {
  if (this.closed) return
  const timer = startTimer(() => this.destroy(), LINGER)
  this.once('close', () => stopTimer(timer))
}
