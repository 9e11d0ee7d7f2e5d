import { addressOf, type Address } from './address'
import { closeCodesOf, refusalsOf, type OutcomeRoute } from './outcomes'
import { securityOf } from './security'
import type { ValueType } from '../../types/message'
import type { DeclaredRoute } from '../plugin/app-state'
import type { SchemaObject, Side } from './json-schema'
import type { Names } from './names'
import type { Schemas, Use } from './schemas'

/** What a route is described with. */
export interface Context {
  schemas: Schemas
  names: Names
  securitySchemes: Record<string, unknown>
  /** The close code of `app.close()`. */
  shutdownCode: number
}

/** The parts of a document that describe one route. */
export interface Described {
  name: string
  channel: SchemaObject
  operations: Record<string, SchemaObject>
  messages: Record<string, SchemaObject>
}

/** What a text or bytes that are no JSON look like, and how they are told in a document. */
const PLAIN: Partial<Record<ValueType, { contentType: string, payload: object }>> = {
  text: { contentType: 'text/plain', payload: { type: 'string' } },
  bytes: { contentType: 'application/octet-stream', payload: { type: 'string', format: 'binary' } },
  integer: { contentType: 'text/plain', payload: { type: 'integer' } },
  number: { contentType: 'text/plain', payload: { type: 'number' } },
  boolean: { contentType: 'text/plain', payload: { type: 'boolean' } }
}

/** Describes one route. Throws `WebSocketOptionError` for a reference, or for a security scheme, that is nowhere. */
export function describeRoute (route: DeclaredRoute, context: Context): Described {
  return new RouteDescriber(route, context).describe()
}

/** What a route says about itself, in `config` or in `schema`, as with @fastify/swagger. `config` wins. */
function about ({ declared }: DeclaredRoute, key: string): any {
  return (declared.config as SchemaObject | undefined)?.[key] ?? declared.schema?.[key]
}

class RouteDescriber {
  readonly #route: DeclaredRoute
  readonly #context: Context
  readonly #schema: SchemaObject
  readonly #place: string
  readonly #address: Address
  readonly #name: string
  readonly #shared: Record<string, unknown>

  constructor (route: DeclaredRoute, context: Context) {
    const { url, schema = {} } = route.declared
    this.#route = route
    this.#context = context
    this.#schema = { ...schema, querystring: schema.querystring ?? schema.query }
    this.#place = `GET ${url}`
    this.#address = addressOf(url)
    this.#name = context.names.take(about(route, 'operationId') ?? nameOf(this.#address.address))
    this.#shared = route.instance.getSchemas()
  }

  describe (): Described {
    const sides = (['receive', 'send'] as const).map((side) => this.#side(side))
    return {
      name: this.#name,
      channel: this.#channel(Object.fromEntries(sides.filter(({ message }) => message !== undefined).map(({ side, key }) =>
        [side, { $ref: `#/components/messages/${key}` }]))),
      operations: Object.fromEntries(sides.map(({ key, operation }) => [key, operation])),
      messages: Object.fromEntries(sides.filter(({ message }) => message !== undefined).map(({ key, message }) => [key, message!]))
    }
  }

  #about (key: string): any {
    return about(this.#route, key)
  }

  #use (part: string, side: Side, name = part): Use {
    return { name: `${this.#name}${capital(name)}`, place: `${this.#place}: schema.${part}`, side, shared: this.#shared }
  }

  #channel (messages: SchemaObject): SchemaObject {
    const { address, isExact } = this.#address
    const { options } = this.#route
    return defined({
      address,
      summary: this.#about('summary'),
      description: this.#about('description'),
      tags: tagsOf(this.#about('tags')),
      externalDocs: this.#about('externalDocs'),
      parameters: this.#parameters(),
      messages,
      bindings: { ws: { method: 'GET', ...this.#handshake(), bindingVersion: '0.1.0' } },
      'x-fastify-url': isExact ? undefined : this.#route.declared.url,
      'x-subprotocols': options.subprotocols.length > 0 ? options.subprotocols : undefined,
      ...this.#extensions(),
      ...this.#outcomes()
    })
  }

  /** The parameters of the path. Theirs are texts in AsyncAPI: `x-schema` has the whole schema. */
  #parameters (): SchemaObject | undefined {
    const { schemas } = this.#context
    const { properties = {} } = schemas.describeObject(this.#schema.params, this.#use('params', 'input')) ?? {}
    const parameters = this.#address.parameters.map(({ name, fastifyName }) => {
      const schema = properties[fastifyName]
      const { description, enum: values, default: initial, examples } = schemas.follow(schema) ?? {}
      return [name, defined({
        description,
        enum: values?.map(String),
        default: initial?.toString(),
        examples: examples?.map(String),
        'x-schema': schema
      })]
    })
    return parameters.length > 0 ? Object.fromEntries(parameters) : undefined
  }

  /** The query and the headers of the handshake. */
  #handshake (): SchemaObject {
    const { schemas } = this.#context
    const { subprotocols } = this.#route.options
    const query = schemas.describeObject(this.#schema.querystring, this.#use('querystring', 'input', 'query'))
    const headers = schemas.describeObject(this.#schema.headers, this.#use('headers', 'input'))
    if (subprotocols.length === 0) return defined({ query, headers })
    const offer = { type: 'string', enum: subprotocols, description: 'The subprotocol. A client may offer several, with commas between them.' }
    return defined({ query, headers: { type: 'object', ...headers, properties: { 'sec-websocket-protocol': offer, ...headers?.properties } } })
  }

  #outcomes (): SchemaObject {
    const { options, raw } = this.#route
    const route: OutcomeRoute = { options, raw, schema: this.#schema, shutdownCode: this.#context.shutdownCode }
    const refusals = refusalsOf(route, (schema, status) => this.#context.schemas.describe(schema, this.#use(`response.${status}`, 'output')))
    const { 'x-close-codes': own } = this.#extensions()
    return { 'x-refusals': refusals, 'x-close-codes': { ...closeCodesOf(route, Object.keys(refusals)), ...own } }
  }

  /** The extensions that the route has in its `config` or its schema: what begins with `x-`, as with @fastify/swagger. */
  #extensions (): SchemaObject {
    const { config, schema } = this.#route.declared
    return Object.fromEntries(Object.entries({ ...schema, ...config }).filter(([key]) => key.startsWith('x-')))
  }

  /** One direction: from the client, or to the client. */
  #side (side: 'receive' | 'send'): { side: string, key: string, operation: SchemaObject, message?: SchemaObject } {
    const key = `${this.#name}${capital(side)}`
    const channel = `#/channels/${this.#name}`
    const message = this.#route.raw ? undefined : this.#message(side)
    const operation = defined({
      action: side,
      channel: { $ref: channel },
      summary: this.#about('summary'),
      tags: tagsOf(this.#about('tags')),
      security: securityOf(this.#about('security'), this.#context.securitySchemes, this.#place),
      messages: message && [{ $ref: `${channel}/messages/${side}` }]
    })
    return { side, key, operation, message }
  }

  #message (side: 'receive' | 'send'): SchemaObject {
    const { options } = this.#route
    const type = side === 'receive' ? options.receiveType : options.sendType
    const { schemas } = this.#context
    const own = this.#schema[side]
    const described = schemas.describe(own, this.#use(side, side === 'receive' ? 'input' : 'output'))
    const examples: unknown[] | undefined = schemas.follow(described)?.examples
    return defined({
      title: side === 'receive' ? 'From the client' : 'To the client',
      contentType: type === 'json' ? 'application/json' : PLAIN[type]?.contentType,
      payload: described ?? (own === undefined ? PLAIN[type]?.payload : undefined),
      examples: examples?.map((payload) => ({ payload }))
    })
  }
}

/** The name of a channel with this address: `/chat/{room}` is `chatRoom`. */
function nameOf (address: string): string {
  const words = address.match(/\w+/g) ?? ['root']
  return words.map((word, at) => at === 0 ? word : capital(word)).join('')
}

function capital (word: string): string {
  return word[0].toUpperCase() + word.slice(1)
}

/** The tags of AsyncAPI are objects, those of OpenAPI are names. */
function tagsOf (tags: (string | object)[] | undefined): object[] | undefined {
  return tags?.map((tag) => typeof tag === 'string' ? { name: tag } : tag)
}

/** `object` without its undefined members, in its order. */
function defined (object: SchemaObject): SchemaObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
