import type { Bytes } from './value'

/**
 * Carries the types of a route: of the messages that clients send and receive, of the parameters and of the query. The property
 * does not exist at run time. `defineWebSocket` returns it; `connect<typeof route>` and its like read it.
 */
export type TypedRoute<Receive = any, Send = any, Params = any, Query = any> = {
  readonly '~types'?: { receive: Receive, send: Send, params: Params, query: Query }
}

type TypesOfRoute<Route extends TypedRoute> = NonNullable<Route['~types']>

/** What a client sends to `Route`: what the server receives. */
export type ClientSend<Route extends TypedRoute> = Sent<TypesOfRoute<Route>['receive']>
type Sent<T> = T extends Uint8Array ? Bytes : T

/** What a client receives from `Route`: what the server sends. `OwnBytes` is the platform's type of received bytes. */
export type ClientReceive<Route extends TypedRoute, OwnBytes> = Arrived<TypesOfRoute<Route>['send'], OwnBytes>
type Arrived<T, OwnBytes> = T extends Bytes ? OwnBytes : FromJson<T>

/** `T` as `JSON.parse` returns it: in place of a `Date` and its like, what their `toJSON` returns. */
type FromJson<T> =
  T extends string | number | boolean | null | undefined ? T
    : T extends { toJSON (): infer Plain } ? FromJson<Plain>
      : T extends object ? { [Key in keyof T]: FromJson<T[Key]> } : T
