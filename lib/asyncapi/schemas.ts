import { isObject } from '../base/checks'
import { messageOf, show } from '../base/show'
import { WebSocketOptionError } from '../base/errors'
import { toJsonSchema, type Schema, type SchemaObject, type Side } from './json-schema'
import { mapKeyword } from './keywords'
import { Names } from './names'
import { nameOf, resolveUri, Resource, type Part } from './resource'

const COMPONENTS = '#/components/schemas/'

/** Keywords that a schema in a document has no use for, since nothing refers to it by them. */
const DROPPED = ['$id', '$schema', '$anchor']

/** A schema of a route: where it stands, for names and errors, and the schemas that it may refer to. */
export interface Use {
  /** The name of the schema, if it has to become a component. */
  name: string
  /** For errors, for example `GET /chat: schema.receive`. */
  place: string
  side: Side
  /** The schemas of `addSchema` in the context of the route. */
  shared: Record<string, unknown>
}

/**
 * The schemas of a document. A schema that is referred to becomes a component of the document, and each reference leads there:
 * to `#/components/schemas/…`.
 */
export class Schemas {
  /** The components of the document: those that the user has given, and those that are referred to. */
  readonly components: Record<string, unknown>
  readonly #names: Names
  /** The resources with an `$id`, by their JSON: contexts have copies of the shared schemas of the contexts around them. */
  readonly #identified = new Map<string, Resource>()
  /** The name of each part that is a component. */
  readonly #named = new Map<SchemaObject, string>()
  #use!: Use

  constructor (given: Record<string, unknown> = {}) {
    this.components = { ...given }
    this.#names = new Names(Object.keys(given))
  }

  /**
   * Returns the schema of a route for the document. Undefined for a schema that has no form in JSON. Throws `WebSocketOptionError`
   * for a reference that leads nowhere.
   */
  describe (schema: unknown, use: Use): Schema | undefined {
    const json = readSchema(schema, use)
    if (!isObject(json)) return typeof json === 'boolean' ? fromBoolean(json) : json
    this.#use = use
    const resource = this.#resourceOf(json as SchemaObject, use.name)
    if (resource.uri !== '') return this.#refer(resource.root, resource)
    const described = this.#rewrite(resource.root, resource)
    return this.#named.has(resource.root) ? this.#refer(resource.root, resource) : described
  }

  /**
   * Returns the schema of a route's query, headers or parameters for the document: an object with `properties`, where a reference
   * at the top is followed, and the properties of `allOf` are put together.
   */
  describeObject (schema: unknown, use: Use): SchemaObject | undefined {
    const described = this.describe(schema, use)
    return isObject(described) ? { type: 'object', ...this.#flatten(described as SchemaObject) } : undefined
  }

  /** Follows a schema of the document that is a reference to what it leads to. Undefined for what is no object. */
  follow (described: unknown): SchemaObject | undefined {
    if (!isObject(described)) return undefined
    const { $ref } = described as SchemaObject
    return $ref === undefined ? described as SchemaObject : this.follow(this.#component($ref))
  }

  #flatten ({ $ref, allOf = [], ...own }: SchemaObject): SchemaObject {
    const others: SchemaObject[] = $ref === undefined ? allOf : [this.#component($ref), ...allOf]
    return others.map((schema) => this.#flatten(schema)).reduce((merged, schema) => {
      const required = new Set<string>([...merged.required ?? [], ...schema.required ?? []])
      const properties = { ...schema.properties, ...merged.properties }
      return { ...schema, ...merged, properties, ...(required.size > 0 && { required: [...required] }) }
    }, { ...own, properties: own.properties ?? {} })
  }

  /** What a reference of the document leads to. */
  #component (ref: string): SchemaObject {
    return tokensOf(ref.slice(COMPONENTS.length)).reduce((node: any, token) => node[token], this.components)
  }

  #resourceOf (root: SchemaObject, name: string): Resource {
    if (typeof root.$id !== 'string') return new Resource(root, name)
    const text = JSON.stringify(root)
    const resource = this.#identified.get(text) ?? new Resource(root, nameOf(root.$id))
    this.#identified.set(text, resource)
    return resource
  }

  /** Returns a reference to a part, which becomes a component with that. */
  #refer (schema: SchemaObject, { parts }: Resource): SchemaObject {
    return { $ref: this.#pathOf(parts.get(schema)!) }
  }

  #pathOf ({ schema, resource, name: wanted }: Part): string {
    let name = this.#named.get(schema)
    if (name === undefined) {
      name = this.#names.take(wanted)
      this.#named.set(schema, name)
      this.components[name] = null // holds the place: what is referred to stands before what it refers to
      this.components[name] = this.#rewrite(schema, resource)
    }
    return COMPONENTS + name
  }

  #place (schema: Schema, resource: Resource): Schema {
    if (!isObject(schema)) return schema
    return resource.parts.has(schema as SchemaObject) ? this.#refer(schema as SchemaObject, resource) : this.#rewrite(schema as SchemaObject, resource)
  }

  /** Returns `schema` for the document. */
  #rewrite (schema: SchemaObject, resource: Resource): SchemaObject {
    const { $ref, ...keywords } = withoutParts(omit(schema, (keyword) => DROPPED.includes(keyword)), resource)
    const rest: SchemaObject = Object.fromEntries(Object.entries(keywords).map(([keyword, value]) =>
      [keyword, mapKeyword(keyword, value, (inner) => this.#place(inner, resource))]))
    adapt(rest)
    if (typeof $ref !== 'string') return rest
    const reference = { $ref: this.#resolve($ref, resource) }
    // A document ignores what stands beside a reference.
    return Object.keys(rest).length === 0 ? reference : { ...rest, allOf: [reference, ...rest.allOf ?? []] }
  }

  /** Returns where in the document the reference `ref` of a schema leads. */
  #resolve (ref: string, resource: Resource): string {
    const [, uri, fragment = ''] = /^([^#]*)#?(.*)$/.exec(ref)!
    const target = uri === '' ? resource : this.#find(uri, resource)
    if (target === undefined) return Object.hasOwn(this.components, uri) ? COMPONENTS + uri + fragment : this.#fail(ref)
    if (fragment === '' || fragment.startsWith('/')) return this.#follow(target, fragment.slice(1), ref)
    const anchored = target.anchored(fragment)
    if (anchored === undefined) return this.#fail(ref)
    target.parts.set(anchored, target.parts.get(anchored) ?? { schema: anchored, resource: target, name: fragment })
    return this.#pathOf(target.parts.get(anchored)!)
  }

  /** Finds the resource with this URI: in the same schema, or among the shared schemas. */
  #find (reference: string, { siblings, uri: base }: Resource): Resource | undefined {
    const uri = resolveUri(reference, base)
    const own = siblings.get(uri)
    if (own !== undefined) return own
    const shared = Object.entries(this.#use.shared).find(([id]) => resolveUri(id, '') === uri || id === reference)
    return shared && this.#resourceOf(readSchema(shared[1], this.#use) as SchemaObject, uri)
  }

  /** Follows a JSON pointer (RFC 6901) from the root of `resource`. The result begins with the last part on the way. */
  #follow (resource: Resource, pointer: string, ref: string): string {
    let node: any = resource.root
    let part = resource.parts.get(node)!
    let rest: string[] = []
    for (const token of tokensOf(pointer)) {
      if (typeof node !== 'object' || node === null || !Object.hasOwn(node, token)) this.#fail(ref)
      node = node[token]
      const own = resource.parts.get(node)
      part = own ?? part
      rest = own ? [] : [...rest, token]
    }
    return [this.#pathOf(part), ...rest.map(escapeToken)].join('/')
  }

  #fail (ref: string): never {
    throw new WebSocketOptionError(`${this.#use.place} refers to ${show(ref)}, which is nowhere: add it with app.addSchema in the context of the route, ` +
      'or give it to asyncapi in components.schemas')
  }
}

function readSchema (schema: unknown, { place, side }: Use): Schema | undefined {
  try {
    return toJsonSchema(schema, side)
  } catch (error) {
    throw new WebSocketOptionError(`${place} has no form in JSON Schema: ${messageOf(error)}`, { cause: error })
  }
}

/** The schema that a boolean stands for, where a document has to have an object. */
function fromBoolean (schema: boolean): SchemaObject {
  return schema ? {} : { not: {} }
}

/** Changes keywords that have another form in AsyncAPI than in schemas of Ajv and Zod. */
function adapt (schema: SchemaObject): void {
  // The discriminator of OpenAPI, which Ajv knows, is an object; that of AsyncAPI is the name of a property.
  if (isObject(schema.discriminator)) schema.discriminator = (schema.discriminator as SchemaObject).propertyName
  // AsyncAPI wants at least one schema in a list of `items`. Without one, all items are additional ones.
  if (Array.isArray(schema.items) && schema.items.length === 0) {
    schema.items = schema.additionalItems ?? {}
    delete schema.additionalItems
  }
}

function omit (object: SchemaObject, isOmitted: (key: string) => boolean): SchemaObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !isOmitted(key)))
}

/** Leaves out the definitions that become components of their own. */
function withoutParts (schema: SchemaObject, { uri, parts }: Resource): SchemaObject {
  if (uri !== '') return schema
  const { $defs = {}, definitions = {}, ...rest } = schema
  for (const [keyword, schemas] of Object.entries({ $defs, definitions })) {
    const left = omit(schemas, (name) => parts.has(schemas[name]))
    if (Object.keys(left).length > 0) rest[keyword] = left
  }
  return rest
}

/** The tokens of a JSON pointer in the fragment of a URI, without its first slash (RFC 6901, sections 4 and 6). */
function tokensOf (pointer: string): string[] {
  return pointer === '' ? [] : pointer.split('/').map((token) => decode(token).replaceAll('~1', '/').replaceAll('~0', '~'))
}

function decode (token: string): string {
  try {
    return decodeURIComponent(token)
  } catch {
    return token
  }
}

function escapeToken (token: string): string {
  return encodeURIComponent(token.replaceAll('~', '~0').replaceAll('/', '~1')).replaceAll('%24', '$') // a fragment may have a dollar sign
}
