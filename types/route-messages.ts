import type { FastifyTypeProvider } from 'fastify'
import type { Received, Sendable, ValueType } from './message'
import type { TypeName } from './value'

/* The types of a route's messages, which follow from its generics, its schemas and its options. */

/** `T`, or `any` where `T` is `unknown`. */
type Known<T> = unknown extends T ? any : T

/** What the server receives as JSON. */
export type ReceiveJson<Provider extends FastifyTypeProvider, Schema> =
  Schema extends { receive: infer S extends {} } ? Known<(Provider & { schema: S })['validator']> : any

/** What a client sends as JSON: what the server receives, or the input of a schema that tells it, as those of Zod do. A default may be left out. */
export type ClientJson<Provider extends FastifyTypeProvider, Schema> =
  Schema extends { receive: { '~standard': { readonly types?: { readonly input: infer Input } | undefined } } } ? Input : ReceiveJson<Provider, Schema>

/** What the server sends as JSON. */
export type SendJson<Provider extends FastifyTypeProvider, Schema> =
  Schema extends { send: infer S extends {} } ? Known<(Provider & { schema: S })['serializer']> : any

type HasReceive<Schema> = Schema extends { receive: {} } ? true : false
type HasSend<Schema> = Schema extends { send: {} } ? true : false

/** A message to the server. `Json` is its type where it is JSON. */
export type ReceiveValue<Generic, Json, Schema, Own extends ValueType, Value extends ValueType> =
  Generic extends { Receive: infer T } ? T : Received<Json>[TypeName<Own, Value, HasReceive<Schema>, 'text'>]

/** A message from the server. */
export type SendValue<Generic, Provider extends FastifyTypeProvider, Schema, Own extends ValueType, Value extends ValueType> =
  Generic extends { Send: infer T } ? T : Sendable<SendJson<Provider, Schema>>[TypeName<Own, Value, HasSend<Schema>, 'any'>]
