import { code, element, json } from './elements.js'

/** Keywords that `schemaView` shows in another way than by their name, or not at all. */
const SHOWN = new Set([
  '$ref', 'type', 'properties', 'required', 'items', 'oneOf', 'anyOf', 'allOf', 'description', 'title', 'examples', 'discriminator', 'additionalProperties', 'enum', 'const'
])

const COMBINED = { oneOf: 'one of', anyOf: 'any of', allOf: 'all of' }

/** Follows a reference of the document. Returns the schema, and the name of the component if it has one. */
export function follow (schema, document) {
  let name
  while (typeof schema === 'object' && schema.$ref !== undefined) {
    const tokens = schema.$ref.slice(2).split('/').map((token) => decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~'))
    schema = tokens.reduce((node, token) => node[token], document)
    name = tokens.at(-1)
  }
  return { schema, name }
}

/** Shows a schema: a tree, whose branches are made as they are opened, since schemas may hold themselves. */
export function schemaView (schema, document) {
  return element('div', { class: 'schema' },
    describe(schema, document),
    ...branches(schema, document),
    whole(schema))
}

/** What a schema is, in a line. */
function describe (referred, document) {
  const { schema, name } = follow(referred, document)
  if (typeof schema === 'boolean') return element('span', {}, schema ? 'any value' : 'no value')
  return element('span', {},
    element('span', { class: 'type' }, [name, typeOf(schema, document)].filter(Boolean).join(': ')),
    limits(schema),
    schema.description === undefined ? '' : element('span', { class: 'about' }, ` ${schema.description}`))
}

function typeOf (schema, document) {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const combined = Object.keys(COMBINED).find((key) => schema[key] !== undefined)
  if (schema.type === 'array' && schema.items !== undefined && !Array.isArray(schema.items)) {
    const { schema: items, name } = follow(schema.items, document)
    return `array of ${name ?? (typeof items === 'object' ? typeOf(items, document) : 'anything')}`
  }
  return [schema.type].flat().filter(Boolean).join(' or ') || COMBINED[combined] || 'any'
}

/** The other keywords that bound a value. */
function limits (schema) {
  const shown = Object.entries(schema).filter(([key, value]) => !SHOWN.has(key) && !key.startsWith('x-') && typeof value !== 'object')
  return shown.length === 0 ? '' : element('span', { class: 'limits' }, ` ${shown.map(([key, value]) => `${key}: ${value}`).join(', ')}`)
}

/** The schemas in a schema: properties, items, alternatives. */
function branches (referred, document) {
  const { schema } = follow(referred, document)
  if (typeof schema !== 'object') return []
  const { properties = {}, required = [], items } = schema
  const entries = [
    ...Object.entries(properties).map(([name, inner]) => [name, inner, required.includes(name)]),
    ...(items === undefined ? [] : [items].flat().map((inner, at) => [Array.isArray(items) ? `item ${at}` : 'each item', inner])),
    ...Object.entries(COMBINED).flatMap(([key, words]) => (schema[key] ?? []).map((inner, at) => [`${words} (${at + 1})`, inner]))
  ]
  return entries.length === 0 ? [] : [element('ul', {}, entries.map(([name, inner, isRequired]) => element('li', {}, branch(name, inner, isRequired, document))))]
}

function branch (name, inner, isRequired, document) {
  const line = [element('code', {}, name), isRequired ? element('strong', { class: 'required' }, ' required') : '', ' ', describe(inner, document)]
  const { schema } = follow(inner, document)
  const isLeaf = typeof schema !== 'object' || !['properties', 'items', ...Object.keys(COMBINED)].some((key) => schema[key] !== undefined)
  if (isLeaf) return element('span', {}, ...line)
  const details = element('details', { on: { toggle: () => { if (details.children.length === 1) details.append(...branches(inner, document)) } } },
    element('summary', {}, ...line))
  return details
}

function whole (schema) {
  return element('details', {}, element('summary', {}, 'JSON Schema'), code(json(schema), 'JSON Schema'))
}
