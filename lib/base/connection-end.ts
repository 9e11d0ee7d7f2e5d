import { WebSocketDisconnect } from './errors'
import type { CloseInfo } from '../../types/message'

/** How a connection ended: the close code and reason of the peer, and whether each side has sent its close frame. */
export class ConnectionEnd {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  readonly #cause: unknown
  #error: WebSocketDisconnect | null = null
  #errors: Record<string, WebSocketDisconnect> | null = null

  constructor (code: number, reason: string, wasClean: boolean, cause?: unknown) {
    this.code = code
    this.reason = reason
    this.wasClean = wasClean
    this.#cause = cause
  }

  /** How the connection ended, as the user gets it. */
  get info (): CloseInfo {
    return { code: this.code, reason: this.reason, wasClean: this.wasClean }
  }

  /** The reason with which the signal of the session aborts. It is made when first read, since most handlers never read it. */
  get error (): WebSocketDisconnect {
    this.#error ??= new WebSocketDisconnect(this.code, this.reason, this.wasClean, { cause: this.#cause })
    return this.#error
  }

  /** The error that `verb` rejects with. Its stack names the verb, since no call of the user's leads to the end of a connection. */
  during (verb: string): WebSocketDisconnect {
    this.#errors ??= {}
    this.#errors[verb] ??= this.#errorNaming(verb)
    return this.#errors[verb]
  }

  #errorNaming (verb: string): WebSocketDisconnect {
    const error = new WebSocketDisconnect(this.code, this.reason, this.wasClean, { cause: this.#cause })
    error.stack += `\n    at ${verb} (fastify-async-websocket)`
    return error
  }
}
