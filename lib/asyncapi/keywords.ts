import { isObject } from '../base/checks'
import type { Schema, SchemaObject } from './json-schema'

/* Where the schemas in a schema stand. Anything else, such as an `enum` or a `default`, is data, whatever its keys are called. */

/** Keywords whose value is a schema, or a list of schemas. */
const SCHEMAS = new Set([
  'additionalItems', 'additionalProperties', 'allOf', 'anyOf', 'contains', 'contentSchema', 'else', 'if', 'items', 'not', 'oneOf', 'prefixItems',
  'propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties'
])

/** Keywords whose value has schemas by name. `dependencies` may have lists of names, too. */
const MAPS = new Set(['$defs', 'definitions', 'dependencies', 'dependentSchemas', 'patternProperties', 'properties'])

/** Returns the value of a keyword with `change` applied to each schema in it. */
export function mapKeyword (keyword: string, value: any, change: (schema: Schema) => unknown): unknown {
  if (SCHEMAS.has(keyword)) return Array.isArray(value) ? value.map(change) : change(value)
  if (!MAPS.has(keyword) || !isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, Array.isArray(schema) ? schema : change(schema)]))
}

/** Calls `visit` for each schema directly in `schema`. */
export function eachSchema (schema: SchemaObject, visit: (schema: SchemaObject) => void): void {
  for (const [keyword, value] of Object.entries(schema)) {
    mapKeyword(keyword, value, (inner) => { if (isObject(inner)) visit(inner as SchemaObject) })
  }
}
