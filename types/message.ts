import type { Bytes, ReceivedAs } from './value'

export type { Bytes, CloseInfo, JsonMode, Sendable, ValueType } from './value'

/** The value that `receive` returns for each type. `Json` is the type of JSON: `any`, or the type that a schema gives. */
export interface Received<Json = any> extends ReceivedAs<Json, Buffer> {}

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
