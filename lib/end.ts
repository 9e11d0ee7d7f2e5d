import { WebSocketDisconnect } from './errors'

/** How a connection ended: the close code and reason of the peer, and whether both sides had closed in order. */
export class End {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
  readonly #cause: unknown
  #error: WebSocketDisconnect | null = null

  constructor (code: number, reason: string, wasClean: boolean, cause?: unknown) {
    this.code = code
    this.reason = reason
    this.wasClean = wasClean
    this.#cause = cause
  }

  /** What rejects because of it: one error for all, made when the first one asks for it. Mostly nobody does. */
  get error (): WebSocketDisconnect {
    this.#error ??= new WebSocketDisconnect(this.code, this.reason, this.wasClean, { cause: this.#cause })
    return this.#error
  }
}
