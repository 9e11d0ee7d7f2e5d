/** The names of the forms in which a message can be taken or sent. */
export type ValueType = 'text' | 'bytes' | 'json' | 'integer' | 'number' | 'boolean' | 'any'

/** Which frames carry JSON: text or binary. */
export type JsonMode = 'text' | 'bytes'

/** What can be sent as `'bytes'`: any view, or its buffer. */
export type Bytes = ArrayBufferView | ArrayBufferLike

/** What `receive` returns for each type. `Json` is what stands for JSON: `any` unless a schema says more. */
export interface Received<Json = any> {
  text: string
  bytes: Buffer
  json: Json
  integer: number
  number: number
  boolean: boolean
  any: string | Buffer
}

/** What `send` takes for each type. */
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
  /** The code of the peer's close frame, whoever closed first; 1005 if it had none, 1006 if there was no closing handshake. */
  code: number
  /** The reason of the peer's close frame. */
  reason: string
  /** Whether both close frames have gone over (RFC 6455, section 7.1.4). */
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

/** Headers as a record (arrays for repeated ones), as pairs, or as anything that iterates over pairs (`Map`, `Headers`). */
export type HeadersLike =
  | Record<string, string | number | readonly (string | number)[] | undefined>
  | Iterable<readonly [string | Uint8Array, string | number | Uint8Array | readonly (string | number)[]]>
