import { describeRoute } from './channel'
import { Names } from './names'
import { Schemas } from './schemas'
import { readSchemes } from './security'
import type { AsyncApiDocument, AsyncApiOptions } from '../../types/asyncapi'
import type { DeclaredRoute } from '../plugin/app-state'

/** A document, and the route of each of its channels, by the channel's name. */
export interface Built {
  document: AsyncApiDocument
  routes: Map<string, DeclaredRoute>
}

const INFO = { title: 'WebSocket API', version: '1.0.0' }

/**
 * Builds the document of `routes`. `shutdownCode` is the close code of `app.close()`. Throws `WebSocketOptionError` for a reference of
 * a schema, or for a security scheme, that is nowhere.
 */
export function buildDocument (routes: DeclaredRoute[], { info, servers, components = {} }: AsyncApiOptions, shutdownCode: number): Built {
  const schemas = new Schemas(components.schemas)
  const securitySchemes = readSchemes(components.securitySchemes)
  const context = { schemas, names: new Names(), securitySchemes, shutdownCode }
  const described = routes.filter(isShown).map((route) => ({ route, ...describeRoute(route, context) }))
  const document = {
    asyncapi: '3.0.0' as const,
    info: { ...INFO, ...info },
    defaultContentType: 'application/json',
    ...(servers !== undefined && { servers }),
    channels: Object.fromEntries(described.map(({ name, channel }) => [name, channel])),
    operations: Object.assign({}, ...described.map(({ operations }) => operations)),
    components: {
      ...components,
      schemas: schemas.components,
      messages: Object.assign({}, components.messages, ...described.map(({ messages }) => messages)),
      securitySchemes
    }
  }
  return {
    document: JSON.parse(JSON.stringify(document)),
    routes: new Map(described.map(({ name, route }) => [name, route]))
  }
}

/** Whether the document has the route. The HEAD route that Fastify adds to a GET route has no messages. */
function isShown (route: DeclaredRoute): boolean {
  return [route.declared.method].flat().includes('GET') && !((route.declared.config as { hide?: boolean } | undefined)?.hide ?? route.hide)
}
