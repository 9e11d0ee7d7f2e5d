import type { FastifyRequest } from 'fastify'
import type { ObservedRoute } from '../../types/observe'

/** A session whose `onMessage` is traced. */
export interface TracedSession {
  readonly request: FastifyRequest
  readonly observer: { readonly route: ObservedRoute | null }
}

/** Runs `handle`, the `onMessage` of a session for one message, and returns what `handle` returns. */
export type Around = (handle: () => unknown) => unknown

/** Whether `error`, which has left `onMessage`, only says that the client has left. */
export type IsDeparture<S> = (session: S, error: unknown) => boolean

/** Returns what runs around each `onMessage` of a session. It is asked once for each session, when its handler begins. */
export type Tracing = <S extends TracedSession>(session: S, isDeparture: IsDeparture<S>) => Around

let tracing: Tracing | null = null

/** Has what `next` returns run around each `onMessage` of the sessions that begin from now on; null ends this. */
export function traceMessages (next: Tracing | null): void {
  tracing = next
}

/** Returns what runs around each `onMessage` of `session`; null if nothing does. */
export function aroundMessages<S extends TracedSession> (session: S, isDeparture: IsDeparture<S>): Around | null {
  return tracing === null ? null : tracing(session, isDeparture)
}
