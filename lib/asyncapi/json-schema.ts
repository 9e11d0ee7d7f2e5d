import { installed } from './installed'

/** A JSON Schema. */
export type Schema = boolean | SchemaObject
export type SchemaObject = Record<string, any>

/** The side of a schema that transforms values: what it takes, or what it makes of it. */
export type Side = 'input' | 'output'

/** What Zod is told: JSON has no form for some of its types, which are left open, and a `Date` becomes a text. */
const ZOD_OPTIONS = {
  unrepresentable: 'any',
  override ({ zodSchema, jsonSchema }: any) {
    if (zodSchema._zod.def.type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
  }
}

/**
 * Returns `schema` as a JSON Schema of draft 7: a copy without anything that JSON does not have. Undefined for the schema of a
 * library that does not tell it. Throws what the library throws.
 *
 * The schema itself tells what it is, so that no library has to be installed:
 *
 * - Standard JSON Schema (https://standardschema.dev/json-schema): Zod from 4.2 on, ArkType and others;
 * - Zod before 4.2, by the `toJSONSchema` of the installed package;
 * - fluent-json-schema, which makes the schema on demand;
 * - a plain object: JSON Schema, TypeBox. Fastify tells its own schemas from those of other libraries in the same way.
 */
export function toJsonSchema (schema: any, side: Side): Schema | undefined {
  if (schema === undefined || schema === null) return undefined
  const own = libraryOf(schema)
  if (own !== null) return copy(own(side))
  return isPlain(schema) ? copy(schema) : undefined
}

/** What returns the JSON Schema of a schema of a library; null for other schemas. */
function libraryOf (schema: any): ((side: Side) => unknown) | null {
  if (schema.isFluentSchema === true) return () => schema.valueOf()
  const { vendor, jsonSchema } = schema['~standard'] ?? {}
  const libraryOptions = vendor === 'zod' ? ZOD_OPTIONS : undefined
  if (jsonSchema !== undefined) return (side) => jsonSchema[side]({ target: 'draft-07', libraryOptions })
  const zod = schema._zod === undefined ? null : installed('zod')
  return zod && ((io) => zod.toJSONSchema(schema, { target: 'draft-7', io, ...ZOD_OPTIONS }))
}

function isPlain (schema: unknown): boolean {
  if (typeof schema === 'boolean') return true
  return typeof schema === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(schema))
}

function copy (schema: unknown): Schema {
  return JSON.parse(JSON.stringify(schema))
}
