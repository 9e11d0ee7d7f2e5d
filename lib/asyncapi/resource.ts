import { isObject } from '../base/checks'
import { eachSchema } from './keywords'
import type { SchemaObject } from './json-schema'

/** A part of a schema that becomes a component of its own: it has an `$id`, or it is a definition. */
export interface Part {
  schema: SchemaObject
  /** What the references in it are relative to: a part with an `$id` is a resource of its own (JSON Schema, draft 7, section 8.2). */
  resource: Resource
  /** The name that the component should have. */
  name: string
}

/** What references are relative to: a whole schema, or a part of one with an `$id`. */
export class Resource {
  readonly root: SchemaObject
  /** The `$id`, resolved against that of the schema around it; empty without one. */
  readonly uri: string
  /** The resources of the whole schema, by their URI. */
  readonly siblings: Map<string, Resource>
  /** The parts of the whole schema, the root included. */
  readonly parts: Map<SchemaObject, Part>

  /** `name`: the name of `root` as a component. */
  constructor (root: SchemaObject, name: string, outer?: Resource) {
    this.root = root
    this.uri = typeof root.$id === 'string' ? resolveUri(root.$id, outer?.uri ?? '') : ''
    this.siblings = outer?.siblings ?? new Map()
    this.parts = outer?.parts ?? new Map()
    this.siblings.set(this.uri, this)
    this.parts.set(root, { schema: root, resource: this, name })
    // A schema with an `$id` stays whole, since others may refer to what is in its definitions by its path.
    if (this.uri === '') for (const [key, schema] of this.definitions()) this.parts.set(schema, { schema, resource: this, name: `${name}.${key}` })
    this.#collect(root, name)
  }

  /** The definitions of the root by name. A boolean has no need to become a component. */
  definitions (): [string, SchemaObject][] {
    const { $defs, definitions } = this.root
    return [definitions, $defs].flatMap((schemas) => Object.entries<SchemaObject>(schemas ?? {})).filter(([, schema]) => isObject(schema))
  }

  /** Collects the parts with an `$id` below `schema`. */
  #collect (schema: SchemaObject, name: string): void {
    eachSchema(schema, (inner) => {
      if (typeof inner.$id === 'string' && !inner.$id.startsWith('#')) new Resource(inner, `${name}.${nameOf(inner.$id)}`, this) // eslint-disable-line no-new -- a resource adds itself to its parent
      else this.#collect(inner, name)
    })
  }

  /** Returns the schema in this resource with the name `anchor`: `$anchor`, or an `$id` such as `#name`, as before draft 2019-09. */
  anchored (anchor: string): SchemaObject | undefined {
    const find = (schema: SchemaObject): SchemaObject | undefined => {
      if (schema.$anchor === anchor || schema.$id === `#${anchor}`) return schema
      let found: SchemaObject | undefined
      eachSchema(schema, (inner) => { found ??= find(inner) })
      return found
    }
    return find(this.root)
  }
}

/** Resolves a URI reference against `base`, which may be no URI: Fastify's ids are often plain names. Without an empty fragment. */
export function resolveUri (reference: string, base: string): string {
  const uri = URL.canParse(reference, base) ? new URL(reference, base).href : reference
  return uri.replace(/#$/, '')
}

/** The name for the schema with the id `id`: the last part of its path. */
export function nameOf (id: string): string {
  return id.replace(/[#/]+$/, '').split(/[/#]/).pop()!
}
