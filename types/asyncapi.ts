import type { onRequestHookHandler, preHandlerHookHandler } from 'fastify'

/** The options of `fastify-async-websocket/asyncapi`. */
export interface AsyncApiOptions {
  /** What the document is about. Default: `{ title: 'WebSocket API', version: '1.0.0' }`. */
  info?: AsyncApiInfo
  /** The servers by name. Default: none. The console of the page connects to the server of the page. */
  servers?: Record<string, AsyncApiServer>
  /**
   * Components of the document besides those of the routes. `securitySchemes` has the schemes that routes name in `security`, in the form
   * of AsyncAPI or of OpenAPI 3. `schemas` has schemas that the schemas of routes may refer to, beside those of `app.addSchema`.
   */
  components?: AsyncApiComponents
  /**
   * Where the page is: a path such as `'/asyncapi'`, below the prefix of the context. The document is at `…/json` and `…/yaml`. Default:
   * none, and nothing is served.
   */
  routePrefix?: string
  /** Hooks of all routes below `routePrefix`, for example a guard. */
  hooks?: {
    onRequest?: onRequestHookHandler | onRequestHookHandler[]
    preHandler?: preHandlerHookHandler | preHandlerHookHandler[]
  }
}

export interface AsyncApiInfo {
  title?: string
  version?: string
  description?: string
  termsOfService?: string
  contact?: { name?: string, url?: string, email?: string }
  license?: { name: string, url?: string }
  tags?: { name: string, description?: string }[]
  externalDocs?: { url: string, description?: string }
  [extension: `x-${string}`]: unknown
}

export interface AsyncApiServer {
  /** The name and the port, without a scheme: `'chat.example.com'`. */
  host: string
  protocol: 'ws' | 'wss'
  /** The path before the addresses of the channels. */
  pathname?: string
  title?: string
  summary?: string
  description?: string
  variables?: Record<string, object>
  security?: object[]
  tags?: { name: string }[]
  [extension: `x-${string}`]: unknown
}

export interface AsyncApiComponents {
  securitySchemes?: Record<string, object>
  schemas?: Record<string, object | boolean>
  messages?: Record<string, object>
  [kind: string]: Record<string, unknown> | undefined
}

interface Ref { $ref: string }

/** A WebSocket route. */
export interface AsyncApiChannel {
  /** The path, with `{name}` for each parameter. */
  address: string
  summary?: string
  description?: string
  tags?: { name: string }[]
  parameters?: Record<string, { description?: string, enum?: string[], default?: string, examples?: string[], 'x-schema'?: any }>
  /** `receive` is from the client, `send` is to the client. A route with `raw: true` has neither. */
  messages: { receive?: Ref, send?: Ref }
  bindings: { ws: { method: 'GET', query?: any, headers?: any, bindingVersion: '0.1.0' } }
  /** The URL of the route where `address` cannot say all of it: a pattern, an optional parameter, a wildcard. */
  'x-fastify-url'?: string
  'x-subprotocols'?: string[]
  /** The HTTP responses to a handshake that is refused, by status. */
  'x-refusals': Record<string, { description: string, payload?: any }>
  /** Why a connection is closed, by close code. */
  'x-close-codes': Record<string, string>
  [extension: `x-${string}`]: unknown
}

/** One direction of a channel. */
export interface AsyncApiOperation {
  /** From the view of the server: it receives what clients send. */
  action: 'receive' | 'send'
  channel: Ref
  summary?: string
  tags?: { name: string }[]
  security?: any[]
  messages?: Ref[]
}

export interface AsyncApiMessage {
  title?: string
  contentType?: string
  /** A JSON Schema. */
  payload?: any
  examples?: { payload: any }[]
}

/** A document of AsyncAPI 3.0.0. */
export interface AsyncApiDocument {
  asyncapi: '3.0.0'
  info: AsyncApiInfo & { title: string, version: string }
  defaultContentType: string
  servers?: Record<string, AsyncApiServer>
  channels: Record<string, AsyncApiChannel>
  operations: Record<string, AsyncApiOperation>
  components: AsyncApiComponents & {
    schemas: Record<string, any>
    messages: Record<string, AsyncApiMessage>
    securitySchemes: Record<string, any>
  }
}

/** What a route says about itself in `config`. It wins over what the schema says, which @fastify/swagger reads, too. */
export interface AsyncApiRouteConfig {
  summary?: string
  description?: string
  tags?: readonly (string | { name: string, description?: string })[]
  /** The name of the channel. Default: made of the path. */
  operationId?: string
  /** Whether the document leaves the route out. */
  hide?: boolean
  security?: readonly Record<string, readonly string[]>[]
  externalDocs?: { url: string, description?: string }
  /** Close codes of the app's own, and when they come. */
  'x-close-codes'?: Record<number, string>
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Returns the AsyncAPI document of the WebSocket routes of this context; with `{ yaml: true }` as YAML. Each call returns a new
     * object. Throws `WebSocketOptionError` before the app is ready.
     */
    asyncapi (options?: { yaml?: false }): AsyncApiDocument
    asyncapi (options: { yaml: true }): string
  }

  interface FastifyContextConfig extends AsyncApiRouteConfig {}

  // What @fastify/swagger declares as well, in the same words: a program may have both. `externalDocs` needs a type of that package.
  interface FastifySchema {
    hide?: boolean
    tags?: readonly string[]
    description?: string
    summary?: string
    operationId?: string
    security?: ReadonlyArray<{ [securityLabel: string]: readonly string[] }>
    /** Close codes of the app's own, and when they come. */
    'x-close-codes'?: Record<number, string>
  }
}
