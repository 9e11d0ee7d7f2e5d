import fastifyPlugin from 'fastify-plugin'
import { WebSocketOptionError } from '../base/errors'
import { isWithin } from '../plugin/adapter'
import { stateOf } from '../plugin/registration'
import { buildDocument, type Built } from './document'
import { checkOptions } from './options'
import { serve } from './serve'
import { toYaml } from './yaml'
import type { FastifyInstance } from 'fastify'
import type { AsyncApiOptions } from '../../types/asyncapi'

async function plugin (app: FastifyInstance, options: AsyncApiOptions): Promise<void> {
  checkOptions(options as Record<string, unknown>)
  if (Object.hasOwn(app, 'asyncapi')) {
    throw new WebSocketOptionError('asyncapi is registered twice in one context: register it once, or in a context of its own for each document')
  }
  let built: Built | undefined
  const ready = (): Built => {
    if (built !== undefined) return built
    throw new WebSocketOptionError('app.asyncapi() is called before the app is ready: its routes are known after await app.ready()')
  }
  app.decorate('asyncapi', (({ yaml = false } = {}) => {
    const document = structuredClone(ready().document)
    return yaml ? toYaml(document) : document
  }) as FastifyInstance['asyncapi'])
  app.addHook('onReady', async () => { built = build(app, options) })
  if (options.routePrefix !== undefined) await serve(app, options.routePrefix, options.hooks, ready)
}

/** Describes the WebSocket routes of `app` and of the contexts in it. */
function build (app: FastifyInstance, options: AsyncApiOptions): Built {
  const state = stateOf(app)
  if (state === undefined) {
    throw new WebSocketOptionError('asyncapi needs fastify-async-websocket, whose routes it describes: register that for the same server')
  }
  const routes = state.routes.filter(({ instance }) => isWithin(app, instance))
  return buildDocument(routes, options, state.settings.shutdown.code)
}

/** The plugin, for `app.register`. */
export const asyncapi = fastifyPlugin(plugin, { fastify: '>=5.3.0 <6', name: 'fastify-async-websocket/asyncapi' })
