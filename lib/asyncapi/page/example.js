import { follow } from './schema.js'

/** How deep an example goes into schemas that hold themselves. */
const DEPTH = 6

/** Returns a value that fits a schema, as far as that can be told without solving it: something to begin with. */
export function exampleOf (referred, document, depth = 0) {
  const { schema } = follow(referred, document)
  if (typeof schema !== 'object') return null
  if (schema.examples !== undefined) return schema.examples[0]
  if (schema.default !== undefined) return schema.default
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  const [alternative] = schema.oneOf ?? schema.anyOf ?? []
  if (alternative !== undefined) return exampleOf(alternative, document, depth)
  if (schema.allOf !== undefined && schema.properties === undefined) {
    const parts = schema.allOf.map((inner) => exampleOf(inner, document, depth))
    return parts.length === 1 ? parts[0] : Object.assign({}, ...parts)
  }
  return exampleOfType(schema, document, depth)
}

function exampleOfType (schema, document, depth) {
  const { properties, required = [], items, minItems = 0, minLength = 0, minimum = 0, format } = schema
  switch ([schema.type].flat()[0] ?? (properties === undefined ? undefined : 'object')) {
    case 'object': return Object.fromEntries(Object.entries(properties ?? {})
      .filter(([name]) => depth < DEPTH && (depth === 0 || required.includes(name)))
      .map(([name, inner]) => [name, exampleOf(inner, document, depth + 1)]))
    case 'array': return Array.from({ length: depth < DEPTH ? Math.max(minItems, Array.isArray(items) ? items.length : 0) : 0 },
      (_, at) => exampleOf(Array.isArray(items) ? items[at] ?? {} : items ?? {}, document, depth + 1))
    case 'string': return format === 'date-time' ? new Date().toISOString() : 'text'.padEnd(minLength, '.')
    case 'integer': case 'number': return minimum
    case 'boolean': return true
    default: return null
  }
}
