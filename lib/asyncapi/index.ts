import { asyncapi as plugin } from './plugin'
import type { FastifyPluginAsync } from 'fastify'
import type * as types from '../../types/asyncapi'

type Plugin = FastifyPluginAsync<types.AsyncApiOptions>

interface Exports {
  /** The plugin itself, for modules that import a default. */
  default: Plugin
  asyncapi: Plugin
}

/**
 * Describes the WebSocket routes of its context in an AsyncAPI document: `app.asyncapi()`. Registration rejects with
 * `WebSocketOptionError` for a wrong option; `app.ready()` rejects with it where fastify-async-websocket is not registered, and for a
 * `$ref` or a name in `security` that leads nowhere.
 */
const asyncapi: Plugin & Exports = Object.assign(plugin as never, { default: plugin, asyncapi: plugin } as never)

/* The types, under the names that the values have. `index.mts` has the same names for ES modules. */
declare namespace asyncapi {
  export type AsyncApiOptions = types.AsyncApiOptions
  export type AsyncApiDocument = types.AsyncApiDocument
  export type AsyncApiChannel = types.AsyncApiChannel
  export type AsyncApiOperation = types.AsyncApiOperation
  export type AsyncApiMessage = types.AsyncApiMessage
  export type AsyncApiServer = types.AsyncApiServer
  export type AsyncApiRouteConfig = types.AsyncApiRouteConfig
}

export = asyncapi
