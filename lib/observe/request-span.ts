import type { FastifyRequest } from 'fastify'

/*
 * @fastify/otel begins a span for each request, and ends it when the request is answered. It ends the span of a handshake with a hook
 * of the route. A route that it has not seen, since the route was there before it, has no such hook, and a route with `raw: true`
 * answers without hooks.
 */

interface Span {
  setAttribute (name: string, value: number): unknown
  end (): void
}

/** A request that @fastify/otel has decorated. The span is null when it has been ended. */
interface Traced {
  opentelemetry?: () => { span?: Span | null }
}

/**
 * The handshake of `request` is answered with `statusCode`: ends the span of `request`, unless it has been ended. The hook onResponse of
 * @fastify/otel, which runs at the end of the session, does not find it any more.
 */
export function endRequestSpan (request: FastifyRequest, statusCode: number): void {
  const { opentelemetry } = request as Traced
  if (typeof opentelemetry !== 'function') return
  const { span } = opentelemetry.call(request)
  if (typeof span?.end !== 'function') return
  span.setAttribute('http.response.status_code', statusCode)
  span.end()
  for (const key of Object.getOwnPropertySymbols(request)) {
    if (Reflect.get(request, key) === span) Reflect.set(request, key, null)
  }
}
