import createError from '@fastify/error'
import { closeCodes } from './close-codes'

/*
 * The errors of this package. @fastify/error makes their classes. Each class has an `FST_WS_…` code, and every error is
 * `instanceof WebSocketError`.
 */

export interface ErrorOptions {
  /** The error that led to this error. */
  cause?: unknown
  /** The HTTP status of a handshake that ends with this error. */
  statusCode?: number
}

export interface ErrorShape extends Error {
  code: string
  statusCode?: number
  /** The code that the plugin closes the connection with when this error leaves the handler. Without one: 1011. */
  closeCode?: number
  cause?: unknown
}

type ErrorClass = new (message: string, options?: ErrorOptions) => ErrorShape

/** @fastify/error implements `instanceof` by such a symbol, so that an error can be both a `WebSocketError` and a `TypeError`. */
const IS_WEBSOCKET_ERROR = Symbol.for('fastify-error FST_WS_ERROR')

/** @fastify/error takes this for no statusCode. */
const NO_STATUS = 0

/** `hasTrace`: whether errors of the class get a stack trace, which takes time to make. */
function define (code: string, statusCode: number, Base: Function, hasTrace = true): ErrorClass {
  class Defined extends createError<string, [message: string]>(code, '%s', statusCode, Base as ErrorConstructor, false) {
    constructor (message: string, options?: ErrorOptions) {
      super(message)
      hide(this, 'name', new.target.name)
      if (hasTrace) Error.captureStackTrace(this, new.target) // leaves the constructors of this file out of the trace
      else hide(this, 'stack', `${new.target.name}: ${message}`)
      if (options?.cause !== undefined) hide(this, 'cause', options.cause)
      if (options?.statusCode !== undefined) this.statusCode = options.statusCode
    }
  }
  Object.defineProperty(Defined.prototype, IS_WEBSOCKET_ERROR, { value: true })
  return Defined as unknown as ErrorClass
}

/** Defines a property like `Error` itself does: not enumerable, so that logs and JSON do not repeat it. */
function hide (error: object, name: string, value: unknown): void {
  Object.defineProperty(error, name, { value, configurable: true, enumerable: false, writable: true })
}

/** The base of all errors of this package. */
export class WebSocketError extends define('FST_WS_ERROR', 500, Error) {}

/** An operation does not fit the state of the handshake, or the client left during it. */
export class WebSocketHandshakeError extends define('FST_WS_HANDSHAKE', 500, WebSocketError) {}

/** The connection is gone. `closeCode` and `reason` are the peer's. `wasClean` tells whether each side has sent its close frame. */
export class WebSocketDisconnect extends define('FST_WS_DISCONNECT', NO_STATUS, WebSocketError, false) {
  declare closeCode: number
  readonly reason: string
  readonly wasClean: boolean

  constructor (closeCode: number, reason: string, wasClean: boolean, options?: ErrorOptions) {
    super(`the connection is closed: ${closeCode}${reason === '' ? '' : ` ${reason}`}`, options)
    this.closeCode = closeCode
    this.reason = reason
    this.wasClean = wasClean
  }
}

/** A message does not decode to the type asked for. */
export class WebSocketDecodeError extends define('FST_WS_DECODE', NO_STATUS, WebSocketError) {
  override closeCode: number = closeCodes.UNSUPPORTED_DATA
}

/** A value cannot be sent as the type asked for. Also a `TypeError`. */
export class WebSocketEncodeError extends define('FST_WS_ENCODE', NO_STATUS, TypeError) {}

/** `expect` received a message that differs from the expected one. */
export class WebSocketExpectError extends define('FST_WS_EXPECT', NO_STATUS, WebSocketError) {
  override closeCode: number = closeCodes.POLICY_VIOLATION
  readonly expected: unknown
  readonly received: unknown

  constructor (message: string, expected: unknown, received: unknown, options?: ErrorOptions) {
    super(message, options)
    this.expected = expected
    this.received = received
  }
}

/** A message fails `schema.receive`. `validation` lists the failures, as on Fastify's validation errors. */
export class WebSocketValidationError extends define('FST_WS_VALIDATION', NO_STATUS, WebSocketError) {
  override closeCode: number = closeCodes.POLICY_VIOLATION
  readonly validation: unknown[]
  readonly validationContext = 'receive'

  constructor (message: string, validation: unknown[], options?: ErrorOptions) {
    super(message, options)
    this.validation = validation
  }
}

/** The `timeout` (ms) of a `receive`, `pair` or `expect` ran out. */
export class WebSocketTimeoutError extends define('FST_WS_TIMEOUT', NO_STATUS, WebSocketError) {
  override closeCode: number = closeCodes.POLICY_VIOLATION
}

export interface UpgradeResponse {
  statusCode: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

/**
 * Client side: the server answered the handshake with a response other than 101, or did not answer. The error has no
 * property `headers`, because Fastify would copy them into a response. The message names no address, because the message may
 * become a response; the `cause` names the address.
 */
export class WebSocketUpgradeError extends define('FST_WS_UPGRADE', NO_STATUS, WebSocketError) {
  /** The headers of the response, their names in lower case. */
  declare readonly responseHeaders: Record<string, string | string[] | undefined>
  /** The body of the response, as text. */
  declare readonly body: string

  constructor (message: string, response?: UpgradeResponse, options?: ErrorOptions) {
    super(message, { ...options, statusCode: response?.statusCode })
    // Not enumerable: a response may hold cookies and megabytes, which do not belong into logs.
    hide(this, 'responseHeaders', response?.headers ?? {})
    hide(this, 'body', response?.body ?? '')
  }
}

/**
 * A topic is invalid: a topic is a non-empty string of at most 256 bytes without control characters. Or what is asked of a topic with
 * history cannot be: the `closeCode` is 1008 then, since a client may have asked. Also a `TypeError`.
 */
export class WebSocketTopicError extends define('FST_WS_TOPIC', NO_STATUS, TypeError) {}

/** The broker that connects this process to others is out of reach, or refuses. */
export class WebSocketBrokerError extends define('FST_WS_BROKER', 503, WebSocketError) {}

/** An option or an argument has an invalid value, or there is no option of that name. Also a `TypeError`. */
export class WebSocketOptionError extends define('FST_WS_OPTION', 500, TypeError) {}
