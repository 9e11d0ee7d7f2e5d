import { POLICY_VIOLATION, UNSUPPORTED_DATA } from './close-codes'

/*
 * The error classes of `errors.ts` that a client in a browser meets, with the same names and codes. `instanceof` works by the code,
 * as in @fastify/error, so that an error can be both a `WebSocketError` and a `TypeError`.
 */

interface ErrorOptions { cause?: unknown }
interface ErrorShape extends Error {
  readonly code: string
  /** As on the server: the close code of a fault of the peer. */
  readonly closeCode?: number
}
type Constructor<Thrown> = new (message: string, options?: ErrorOptions) => Thrown

/** `name` is the name of the class, which a minifier would change. */
function define (name: string, code: string, Base: Constructor<Error>, closeCode?: number): Constructor<ErrorShape> {
  const brand = brandOf(code)
  class Defined extends Base {
    static override [Symbol.hasInstance] (value: any): boolean {
      return value?.[brand] === true
    }
  }
  Object.assign(Defined.prototype, { name, code: `FST_WS_${code}`, closeCode, [brand]: true, [brandOf('ERROR')]: true })
  return Defined as unknown as Constructor<ErrorShape>
}

function brandOf (code: string): symbol {
  return Symbol.for(`fastify-error FST_WS_${code}`)
}

/** The base of all errors of this package. */
export class WebSocketError extends /* @__PURE__ */ define('WebSocketError', 'ERROR', Error) {}

/** The connection is gone. `closeCode` and `reason` are the server's. `wasClean` tells whether each side has sent its close frame. */
export class WebSocketDisconnect extends /* @__PURE__ */ define('WebSocketDisconnect', 'DISCONNECT', WebSocketError) {
  declare readonly closeCode: number
  readonly reason: string
  readonly wasClean: boolean

  constructor (closeCode: number, reason: string, wasClean: boolean) {
    super(`the connection is closed: ${closeCode} ${reason}`.trim())
    this.closeCode = closeCode
    this.reason = reason
    this.wasClean = wasClean
  }
}

/** A message does not decode to the type asked for. */
export class WebSocketDecodeError extends /* @__PURE__ */ define('WebSocketDecodeError', 'DECODE', WebSocketError, UNSUPPORTED_DATA) {}

/** A value cannot be sent as the type asked for. Also a `TypeError`. */
export class WebSocketEncodeError extends /* @__PURE__ */ define('WebSocketEncodeError', 'ENCODE', TypeError) {}

/** `expect` received a message that differs from the expected one. */
export class WebSocketExpectError extends /* @__PURE__ */ define('WebSocketExpectError', 'EXPECT', WebSocketError, POLICY_VIOLATION) {
  constructor (message: string, readonly expected: unknown, readonly received: unknown, options?: ErrorOptions) {
    super(message, options)
  }
}

/** The `timeout` of a `receive`, `pair` or `expect`, or the `connectTimeout`, ran out. */
export class WebSocketTimeoutError extends /* @__PURE__ */ define('WebSocketTimeoutError', 'TIMEOUT', WebSocketError, POLICY_VIOLATION) {}

/** The server refuses the connection or cannot be reached. No status: a page is told none. */
export class WebSocketUpgradeError extends /* @__PURE__ */ define('WebSocketUpgradeError', 'UPGRADE', WebSocketError) {
  constructor (message: string, _response: undefined, options?: ErrorOptions) {
    super(message, options)
  }
}

/** An option or an argument has an invalid value, or there is no option of that name. Also a `TypeError`. */
export class WebSocketOptionError extends /* @__PURE__ */ define('WebSocketOptionError', 'OPTION', TypeError) {}
