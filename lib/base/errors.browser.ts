import { POLICY_VIOLATION, UNSUPPORTED_DATA } from './close-codes'

/*
 * The error classes of `errors.ts` that a client in a browser meets, with the same names and codes. `instanceof` works by the code, so
 * that an error can be both a `WebSocketError` and a `TypeError`.
 */

interface ErrorOptions { cause?: unknown }
interface ErrorShape extends Error {
  code: string
  closeCode?: number
  cause?: unknown
}
type Constructor<Thrown> = new (message: string, options?: ErrorOptions) => Thrown

/**
 * Defines the class `WebSocket${kind}`. Its code is made of `kind`: `FST_WS_DECODE` for `DecodeError`. The code of `WebSocketError`
 * is the beginning of all codes. The name is a property, since a minifier changes the names of classes.
 */
function define (kind: string, closeCode?: number, Base: Constructor<Error> = Error): Constructor<ErrorShape> {
  class Defined extends Base {
    declare code: string

    static override [Symbol.hasInstance] (value: any): boolean {
      return `${value?.code}`.startsWith(this.prototype.code)
    }
  }
  Object.assign(Defined.prototype, { name: `WebSocket${kind}`, code: `FST_WS_${kind.replace('Error', '').toUpperCase()}`, closeCode })
  return Defined as unknown as Constructor<ErrorShape>
}

/** The base of all errors of this package. */
export class WebSocketError extends /* @__PURE__ */ define('Error') {}

/** The connection is gone. `closeCode` and `reason` are the server's. `wasClean` tells whether each side has sent its close frame. */
export class WebSocketDisconnect extends /* @__PURE__ */ define('Disconnect') {
  declare readonly closeCode: number

  constructor (closeCode: number, readonly reason: string, readonly wasClean: boolean, _options?: ErrorOptions) {
    super(`the connection is closed: ${closeCode} ${reason}`.trim())
    this.closeCode = closeCode
  }
}

/** A message does not decode to the type asked for. */
export class WebSocketDecodeError extends /* @__PURE__ */ define('DecodeError', UNSUPPORTED_DATA) {}

/** A value cannot be sent as the type asked for. Also a `TypeError`. */
export class WebSocketEncodeError extends /* @__PURE__ */ define('EncodeError', undefined, TypeError) {}

/** `expect` received a message that differs from the expected one. */
export class WebSocketExpectError extends /* @__PURE__ */ define('ExpectError', POLICY_VIOLATION) {
  constructor (message: string, readonly expected: unknown, readonly received: unknown, options?: ErrorOptions) {
    super(message, options)
  }
}

/** The `timeout` of a `receive`, `pair` or `expect`, or the `connectTimeout`, ran out. */
export class WebSocketTimeoutError extends /* @__PURE__ */ define('TimeoutError', POLICY_VIOLATION) {}

/** The server refuses the connection or cannot be reached. No status: a page is told none. */
export class WebSocketUpgradeError extends /* @__PURE__ */ define('UpgradeError') {
  constructor (message: string, _response: undefined, options?: ErrorOptions) {
    super(message, options)
  }
}

/** An option or an argument has an invalid value, or there is no option of that name. Also a `TypeError`. */
export class WebSocketOptionError extends /* @__PURE__ */ define('OptionError', undefined, TypeError) {}
