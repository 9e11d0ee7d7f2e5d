import { WebSocketDisconnect } from './errors'
import type { CloseInfo } from '../../types/message'

/** How a connection ended: the close code and reason of the peer, and whether both sides had closed in order. */
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

  get info (): CloseInfo {
    return { code: this.code, reason: this.reason, wasClean: this.wasClean }
  }

  /** The reason of its signal, made when somebody first asks for it. Mostly nobody does. */
  get error (): WebSocketDisconnect {
    this.#error ??= new WebSocketDisconnect(this.code, this.reason, this.wasClean, { cause: this.#cause })
    return this.#error
  }

  /** What `verb` rejects with because of it. Its stack names the verb: what ends a connection is called from nowhere else. */
  during (verb: string): WebSocketDisconnect {
    this.#errors ??= {}
    this.#errors[verb] ??= this.#named(verb)
    return this.#errors[verb]
  }

  #named (verb: string): WebSocketDisconnect {
    const error = new WebSocketDisconnect(this.code, this.reason, this.wasClean, { cause: this.#cause })
    error.stack += `\n    at ${verb} (fastify-async-websocket)`
    return error
  }
}
