/* What messages are, for every platform: these types name nothing of Node's. */

/** The types that a message can be received as or sent as. */
export type ValueType = 'text' | 'bytes' | 'json' | 'integer' | 'number' | 'boolean' | 'any'

/** The frames that carry JSON: text or binary. */
export type JsonMode = 'text' | 'bytes'

/** The values that can be sent as `'bytes'`: an array buffer, or any view of one. */
export type Bytes = ArrayBufferView | ArrayBufferLike

/** The value that `receive` returns for each type. `Json` is the type of JSON, `OwnBytes` the platform's type of bytes. */
export interface ReceivedAs<Json, OwnBytes> {
  text: string
  bytes: OwnBytes
  json: Json
  integer: number
  number: number
  boolean: boolean
  any: string | OwnBytes
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

/**
 * Whether `Type` was named. It is `never` where TypeScript inferred nothing, and all of `ValueType` where TypeScript did
 * not infer or knows no more.
 */
type IsNamed<Type extends ValueType> = [Type] extends [never] ? false : [ValueType] extends [Type] ? false : true

/** The first of: `Own`, if named; `Value`, if named; `'json'`, if the side has a schema; `Default`. */
export type TypeName<Own extends ValueType, Value extends ValueType, HasSchema extends boolean, Default extends ValueType> =
  IsNamed<Own> extends true ? Own : IsNamed<Value> extends true ? Value : HasSchema extends true ? 'json' : Default

/** How a connection ended. */
export interface CloseInfo {
  /** The code of the peer's close frame, whichever side closed first. 1005: the frame had no code. 1006: no close frame came. */
  code: number
  /** The reason of the peer's close frame. */
  reason: string
  /** Whether each side has sent its close frame (RFC 6455, section 7.1.4). */
  wasClean: boolean
}
