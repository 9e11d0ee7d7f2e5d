import t, { type Test } from 'tap'
import { Schemas, type Use } from '../../lib/asyncapi/schemas'
import { referencesIn } from '../helpers/asyncapi'

const use = (shared: object[] = [], name = 'chatReceive'): Use => ({
  name,
  place: 'GET /chat: schema.receive',
  side: 'input',
  shared: Object.fromEntries(shared.map((schema) => [(schema as { $id: string }).$id, schema]))
})

/** Describes `schema`, and checks that each reference leads to a component. */
function describe (t: Test, schema: unknown, shared: object[] = [], schemas = new Schemas()): { described: any, components: any } {
  const described = schemas.describe(schema, use(shared))
  const { components } = schemas
  for (const ref of [...referencesIn(described), ...referencesIn(components)]) {
    const tokens = ref.replace('#/components/schemas/', '').split('/').map((token) => decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~'))
    t.ok(ref.startsWith('#/components/schemas/') && tokens.reduce((node: any, token) => node?.[token], components) !== undefined, ref)
  }
  t.notMatch(JSON.stringify([described, components]), /"\$(id|schema|anchor)"/)
  return { described, components }
}

const user = { $id: 'User', type: 'object', properties: { name: { type: 'string' } } }

t.test('a reference to a shared schema leads to a component with its name', async (t) => {
  for (const [ref, expected] of [['User#', 'User'], ['User', 'User'], ['User#/properties/name', 'User/properties/name']]) {
    const { described, components } = describe(t, { type: 'object', properties: { from: { $ref: ref } } }, [user])
    t.same(described.properties.from, { $ref: `#/components/schemas/${expected}` })
    t.same(components, { User: { type: 'object', properties: { name: { type: 'string' } } } })
  }
})

t.test('a shared schema keeps its definitions where they are, since others may refer to them', async (t) => {
  const shared = { $id: 'Shared', definitions: { a: { $ref: '#/definitions/b' }, b: { type: 'string' } } }
  const { described, components } = describe(t, { $ref: 'Shared#/definitions/a' }, [shared])
  t.same(described, { $ref: '#/components/schemas/Shared/definitions/a' })
  t.same(components.Shared.definitions.a, { $ref: '#/components/schemas/Shared/definitions/b' })
})

t.test('ids may be URIs, and references relative to them', async (t) => {
  const a = { $id: 'https://example.com/schemas/a.json', properties: { b: { $ref: 'b.json#/properties/c' } } }
  const b = { $id: 'https://example.com/schemas/b.json#', properties: { c: { type: 'string' } } }
  const { described, components } = describe(t, { $ref: 'https://example.com/schemas/a.json#' }, [a, b])
  t.same(described, { $ref: '#/components/schemas/a.json' })
  t.same(components['a.json'].properties.b, { $ref: '#/components/schemas/b.json/properties/c' })
})

t.test('the contexts of an app have copies of a shared schema: it is one component; another one with the same id is another', async (t) => {
  const schemas = new Schemas()
  for (const shared of [user, structuredClone(user), { ...user, title: 'Another' }]) schemas.describe({ $ref: 'User' }, use([shared]))
  t.same(Object.keys(schemas.components), ['User', 'User_2'])
})

t.test('the definitions of a route become components with the name of the route', async (t) => {
  for (const keyword of ['$defs', 'definitions']) {
    const node = { type: 'object', properties: { left: { $ref: `#/${keyword}/node` }, deep: { $ref: `#/${keyword}/node/properties/left` } } }
    const { described, components } = describe(t, { [keyword]: { node, unused: { type: 'null' }, any: true }, properties: { tree: { $ref: `#/${keyword}/node` }, any: { $ref: `#/${keyword}/any` } } })
    t.same(described, { $ref: '#/components/schemas/chatReceive' }, 'something refers into the schema itself')
    t.same(components.chatReceive, { properties: { tree: { $ref: '#/components/schemas/chatReceive.node' }, any: { $ref: `#/components/schemas/chatReceive/${keyword}/any` } }, [keyword]: { any: true } })
    t.same(Object.keys(components).sort(), ['chatReceive', 'chatReceive.node'])
    t.same(components['chatReceive.node'].properties.deep, { $ref: '#/components/schemas/chatReceive.node/properties/left' })
  }
})

t.test('both keywords for definitions may have the same name', async (t) => {
  const { components } = describe(t, { $defs: { a: { type: 'string' } }, definitions: { a: { type: 'null' } }, anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#/definitions/a' }] })
  t.same(components, { 'chatReceive.a': { type: 'string' }, 'chatReceive.a_2': { type: 'null' } })
})

t.test('a schema that refers to itself becomes a component', async (t) => {
  for (const self of ['#', '#/']) {
    const schema = { type: 'object', properties: { next: { $ref: '#' }, '': { type: 'string' } } }
    const { described, components } = describe(t, schema)
    t.same(described, { $ref: '#/components/schemas/chatReceive' }, self)
    t.same(components.chatReceive.properties.next, described)
  }
})

t.test('a schema with an $id is a component of that name', async (t) => {
  const { described, components } = describe(t, { $id: 'Message', type: 'object', properties: { next: { $ref: 'Message#' }, again: { $ref: '#/properties/text' }, text: { type: 'string' } } })
  t.same(described, { $ref: '#/components/schemas/Message' })
  t.same(components.Message.properties.next, described)
  t.same(components.Message.properties.again, { $ref: '#/components/schemas/Message/properties/text' })
})

t.test('a part with an $id is a resource of its own, as a recursive type of TypeBox is', async (t) => {
  const tree = { $id: 'T0', type: 'object', properties: { kids: { type: 'array', items: { $ref: 'T0' } }, root: { $ref: '#' } } }
  const { described, components } = describe(t, { properties: { tree, deep: { $ref: '#/properties/tree/properties/kids' } } })
  t.same(described.properties.tree, { $ref: '#/components/schemas/chatReceive.T0' })
  t.same(described.properties.deep, { $ref: '#/components/schemas/chatReceive.T0/properties/kids' }, 'the way of a pointer leads through the part')
  t.same(components['chatReceive.T0'].properties, { kids: { type: 'array', items: described.properties.tree }, root: described.properties.tree })
})

t.test('a reference may name an anchor', async (t) => {
  const schema = { properties: { a: { $anchor: 'old', type: 'string' }, b: { $id: '#new', type: 'null' }, c: { $ref: '#old' }, d: { $ref: '#new' }, e: { $ref: '#old' } } }
  const { described, components } = describe(t, schema)
  t.same(described.properties.c, { $ref: '#/components/schemas/old' })
  t.same(described.properties.e, described.properties.c)
  t.same(components, { old: { type: 'string' }, new: { type: 'null' } })
})

t.test('pointers are escaped', async (t) => {
  const { described } = describe(t, { properties: { 'a/b~c%': { type: 'string' }, x: { $ref: '#/properties/a~1b~0c%25' }, y: { $ref: '#/properties/a~1b~0c%' } } })
  t.equal(described.$ref, '#/components/schemas/chatReceive')
})

t.test('a reference that leads nowhere is an error that names the route and the way out', async (t) => {
  for (const $ref of ['Usr#', '#nobody', '#/properties/nobody', '#/properties/a/type/b', '#/properties/constructor', 'User#/nothing', '#/default/x/y']) {
    const message = `GET /chat: schema.receive refers to '${$ref}', which is nowhere: add it with app.addSchema in the context of the route, or give it to asyncapi in components.schemas`
    t.throws(() => new Schemas().describe({ properties: { a: { type: 'string' }, b: { $ref } }, default: { x: null } }, use([user])), { code: 'FST_WS_OPTION', message })
  }
})

t.test('what stands beside a reference is kept', async (t) => {
  const { described } = describe(t, { properties: { a: { $ref: 'User#', description: 'Who', allOf: [{ minProperties: 1 }] } } }, [user])
  t.same(described.properties.a, { description: 'Who', allOf: [{ $ref: '#/components/schemas/User' }, { minProperties: 1 }] })
})

t.test('data that looks like a schema is left as it is', async (t) => {
  const data = { $ref: 'Nobody', $id: 'nothing' }
  const schema = { const: data, enum: [data], default: data, examples: [data], properties: { $ref: { type: 'string' }, $id: { const: 'x' } }, dependencies: { a: ['b'] }, definitions: 1, patternProperties: { x: true } }
  const schemas = new Schemas()
  t.same(schemas.describe(schema, use()), { const: data, enum: [data], default: data, examples: [data], properties: { $ref: { type: 'string' }, $id: { const: 'x' } }, dependencies: { a: ['b'] }, patternProperties: { x: true } })
})

t.test('keywords with another form in AsyncAPI are changed', async (t) => {
  const { described } = describe(t, { discriminator: { propertyName: 'type' }, properties: { a: { items: [], additionalItems: { type: 'string' } }, b: { items: [] }, c: { discriminator: 'type' } } })
  t.same(described, { discriminator: 'type', properties: { a: { items: { type: 'string' } }, b: { items: {} }, c: { discriminator: 'type' } } })
})

t.test('booleans are schemas, too', async (t) => {
  t.same(describe(t, true).described, {})
  t.same(describe(t, false).described, { not: {} })
})

t.test('a schema without a form in JSON is left out, and one that cannot be read is an error', async (t) => {
  const schemas = new Schemas()
  t.equal(schemas.describe(class {}, use()), undefined)
  t.equal(schemas.describeObject(undefined, use()), undefined)
  t.equal(schemas.follow(undefined), undefined)
  t.throws(() => schemas.describe({ default: 1n }, use()), { code: 'FST_WS_OPTION', message: /^GET \/chat: schema\.receive has no form in JSON Schema: .*BigInt/ })
})

t.test('the schema of a query is an object with properties: references at its top are followed, allOf is put together', async (t) => {
  const page = { $id: 'Page', type: 'object', required: ['page'], properties: { page: { type: 'integer' }, by: { $ref: 'User#' } } }
  const schemas = new Schemas()
  t.same(schemas.describeObject({ $ref: 'Page#' }, use([user, page])), { type: 'object', required: ['page'], properties: { page: { type: 'integer' }, by: { $ref: '#/components/schemas/User' } } })
  t.same(schemas.describeObject({ allOf: [{ $ref: 'Page#' }, { properties: { name: { type: 'string' } } }], required: ['name'], additionalProperties: false }, use([user, page])), {
    type: 'object',
    additionalProperties: false,
    required: ['name', 'page'],
    properties: { name: { type: 'string' }, page: { type: 'integer' }, by: { $ref: '#/components/schemas/User' } }
  })
  t.same(schemas.describeObject({ anyOf: [{ required: ['a'] }] }, use()), { type: 'object', anyOf: [{ required: ['a'] }], properties: {} })
})

t.test('names of components have characters that every tool takes, and differ', async (t) => {
  const schemas = new Schemas({ User: true })
  schemas.describe({ $ref: 'a b' }, use([{ $id: 'a b' }]))
  schemas.describe({ $ref: 'User' }, use([user]))
  schemas.describe({ $ref: '/' }, use([{ $id: '/' }]))
  t.same(Object.keys(schemas.components), ['User', 'a_b', 'User_2', '_'])
})
