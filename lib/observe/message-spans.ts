import { readable } from '../base/user-code'
import { traceMessages } from './on-message'
import { NAME } from './metrics'
import type * as OpenTelemetry from '@opentelemetry/api'
import type { Context, Link, Span } from '@opentelemetry/api'
import type { FastifyRequest } from 'fastify'

/** A request that @fastify/otel has decorated. The context has the span of the request, also when that span has ended. */
interface Traced {
  opentelemetry?: () => { context?: Context | null }
}

/**
 * Makes a span for each `onMessage`, which is the active one while `onMessage` runs. The span of the request is over by then: the span of
 * a message is linked to it, and is the root of a trace of its own. Returns a function that ends this.
 */
export function startMessageSpans (otel: typeof OpenTelemetry): () => void {
  const tracer = otel.trace.getTracer(NAME)
  traceMessages((session, isDeparture) => {
    const url = session.observer.route!.url
    const options = { root: true, kind: otel.SpanKind.CONSUMER, attributes: { 'http.route': url }, links: linksTo(otel, session.request) }
    return (handle) => {
      const span = tracer.startSpan(`onMessage ${url}`, options)
      return otel.context.with(otel.trace.setSpan(otel.context.active(), span), async () => {
        try {
          await handle()
        } catch (error) {
          if (!isDeparture(session, error)) fail(span, otel.SpanStatusCode.ERROR, readable(error))
          span.end()
          throw error
        }
        span.end()
      })
    }
  })
  return () => traceMessages(null)
}

function fail (span: Span, code: OpenTelemetry.SpanStatusCode, error: any): void {
  if (error != null) span.recordException(error)
  span.setStatus({ code, message: error?.message })
}

/** Returns a link to the span of `request`: that of @fastify/otel, or else the active one. */
function linksTo ({ trace, context }: typeof OpenTelemetry, request: FastifyRequest): Link[] {
  const traced = (request as Traced).opentelemetry?.().context ?? context.active()
  const spanContext = trace.getSpanContext(traced)
  return spanContext === undefined ? [] : [{ context: spanContext }]
}
