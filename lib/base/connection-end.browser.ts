import { WebSocketDisconnect } from './errors'
import type { CloseInfo } from '../../types/message'

/** How a connection ended: the server's close code and reason, and whether each side has sent its close frame. */
export class ConnectionEnd {
  /** How the connection ended, as the user gets it. */
  readonly info: CloseInfo
  /** The reason with which the signal of the client aborts. */
  readonly error: WebSocketDisconnect

  constructor (readonly code: number, reason: string, wasClean: boolean) {
    this.info = { code, reason, wasClean }
    this.error = this.during('signal')
  }

  /** The error that `verb` rejects with. Its stack names the verb, since no call of the user's leads to the end of a connection. */
  during (verb: string): WebSocketDisconnect {
    const error = new WebSocketDisconnect(this.code, this.info.reason, this.info.wasClean)
    error.stack += `\n    at ${verb} (fastify-async-websocket)`
    return error
  }
}
