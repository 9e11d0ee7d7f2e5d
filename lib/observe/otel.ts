import fastifyPlugin from 'fastify-plugin'
import { checkAll, flag, isObject, readOptions } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { startMessageSpans } from './message-spans'
import { NAME, startMetrics } from './metrics'
import type * as OpenTelemetry from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'

export interface OtelOptions {
  /** Whether each `onMessage` of session handlers gets a span of its own, linked to the span of the request. Default: false. */
  messages?: boolean
}

/** What is registered. The channels belong to the process: it is registered once, however often `register` is called. */
let current: { otel: object, messages: boolean, users: number, stop: () => void } | null = null

/**
 * Tells OpenTelemetry of the WebSocket connections of this process, from now on: metrics, and with `messages` spans. `otel` is the module
 * `@opentelemetry/api`. The metrics go to the meter provider that is set by then. What is registered already with the same `otel` and
 * `messages` stays; a call with others takes its place.
 *
 * Returns a function that ends this. Throws `WebSocketOptionError` if `otel` is not that module, and for a wrong option.
 */
export function register (otel: typeof OpenTelemetry, options?: OtelOptions): () => void {
  const { messages = false } = optionsIn(options)
  if (!isObject(otel) || !('metrics' in otel) || !('trace' in otel)) throw new WebSocketOptionError('register: give the module @opentelemetry/api, as import * as otel from \'@opentelemetry/api\' has it')
  if (current?.otel !== otel || current.messages !== messages) {
    current?.stop()
    const stops = [startMetrics(otel), messages ? startMessageSpans(otel) : () => {}]
    current = { otel, messages, users: 0, stop: () => stops.forEach((stop) => stop()) }
  }
  const own = current
  let isUsing = true
  own.users++
  return () => {
    if (isUsing && --own.users === 0 && own === current) {
      own.stop()
      current = null
    }
    isUsing = false
  }
}

function optionsIn (options: unknown): OtelOptions {
  const own = readOptions('register', options)
  checkAll(own, { messages: flag }, 'of register')
  return own
}

/** `register` as a plugin of Fastify, with the `@opentelemetry/api` that is installed, until the app closes: `app.register(otel, { messages: true })`. */
export const otel = fastifyPlugin(async (app: FastifyInstance, options: OtelOptions) => {
  const api = await import('@opentelemetry/api')
  app.addHook('onClose', register(api, options) as never)
}, { fastify: '>=5.3.0 <6', name: `${NAME}/otel` })
