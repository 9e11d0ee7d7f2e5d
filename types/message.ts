/** The types that a message can be received as or sent as. */
export type ValueType = 'text' | 'bytes' | 'json' | 'integer' | 'number' | 'boolean' | 'any'

/** The frames that carry JSON: text or binary. */
export type JsonMode = 'text' | 'bytes'

/** The values that can be sent as `'bytes'`: an array buffer, or any view of one. */
export type Bytes = ArrayBufferView | ArrayBufferLike

/** The value that `receive` returns for each type. `Json` is the type of JSON: `any`, or the type that a schema gives. */
export interface Received<Json = any> {
  text: string
  bytes: Buffer
  json: Json
  integer: number
  number: number
  boolean: boolean
  any: string | Buffer
}

/** The value that `send` takes for each type. `Json` is the type of JSON: `any`, or the type that a schema gives. */
export interface Sendable<Json = any> {
  text: string
  bytes: Bytes
  json: Json
  integer: number
  number: number
  boolean: boolean
  any: any
}

/** How a connection ended. */
export interface CloseInfo {
  /** The code of the peer's close frame, whichever side closed first. 1005: the frame had no code. 1006: no close frame came. */
  code: number
  /** The reason of the peer's close frame. */
  reason: string
  /** Whether each side has sent its close frame (RFC 6455, section 7.1.4). */
  wasClean: boolean
}

/** The events of the raw level, with the field names of ASGI. */
export type WebSocketConnectEvent = { type: 'websocket.connect' }
export type WebSocketReceiveEvent = { type: 'websocket.receive', text?: string, bytes?: Buffer }
export type WebSocketDisconnectEvent = { type: 'websocket.disconnect', code: number, reason: string }
export type WebSocketAcceptEvent = { type: 'websocket.accept', subprotocol?: string | null, headers?: HeadersLike }
export type WebSocketSendEvent = { type: 'websocket.send', text?: string | null, bytes?: Bytes | null }
export type WebSocketCloseEvent = { type: 'websocket.close', code?: number | null, reason?: string }
export type WebSocketResponseEvent = { type: 'websocket.http.response', status?: number, headers?: HeadersLike, body?: unknown }

export type IncomingEvent = WebSocketConnectEvent | WebSocketReceiveEvent | WebSocketDisconnectEvent
export type OutgoingEvent = WebSocketAcceptEvent | WebSocketSendEvent | WebSocketCloseEvent | WebSocketResponseEvent

/** Headers as a record (an array repeats a header), as pairs, or as an iterable of pairs (`Map`, `Headers`). */
export type HeadersLike =
  | Record<string, string | number | readonly (string | number)[] | undefined>
  | Iterable<readonly [string | Uint8Array, string | number | Uint8Array | readonly (string | number)[]]>
