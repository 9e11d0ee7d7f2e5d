import { Type as Classic } from '@sinclair/typebox'
import { Type } from '@fastify/type-provider-typebox'
import t from 'tap'
import { z } from 'zod'
import { toJsonSchema } from '../../lib/asyncapi/json-schema'

const object = (properties: object): object => ({ type: 'object', required: Object.keys(properties), properties })

t.test('JSON Schema and TypeBox are taken as they are, as copies of plain JSON', async (t) => {
  const schema = { type: 'object', properties: { a: { type: 'string', pattern: undefined } } }
  t.strictSame(toJsonSchema(schema, 'input'), { type: 'object', properties: { a: { type: 'string' } } })
  t.strictSame(toJsonSchema(Object.assign(Object.create(null), { type: 'string' }), 'input'), { type: 'string' })
  t.strictSame(toJsonSchema(true, 'input'), true)
  for (const T of [Type, Classic]) t.strictSame(toJsonSchema((T as typeof Type).Object({ a: (T as typeof Type).Integer() }), 'output'), object({ a: { type: 'integer' } }))
})

t.test('Zod tells its input and its output', async (t) => {
  const schema = z.object({ text: z.string().default('hello') })
  t.match(toJsonSchema(schema, 'input'), { properties: { text: { type: 'string', default: 'hello' } } })
  t.equal((toJsonSchema(schema, 'input') as any).required, undefined)
  t.same((toJsonSchema(schema, 'output') as any).required, ['text'])
})

for (const [version, schema] of Object.entries({
  'Zod from 4.2 on': z.object({ at: z.date(), big: z.bigint() }),
  'Zod before 4.2, which has no Standard JSON Schema': Object.create(z.object({ at: z.date(), big: z.bigint() }), { '~standard': { value: { vendor: 'zod', version: 1 } } })
})) {
  t.test(`${version}: a date is a text, and what JSON does not have is left open`, async (t) => {
    t.match(toJsonSchema(schema, 'output'), { properties: { at: { type: 'string', format: 'date-time' }, big: {} } })
  })
}

t.test('any library with Standard JSON Schema is asked for draft 7', async (t) => {
  const asked: unknown[] = []
  const jsonSchema = (side: string) => (options: unknown) => {
    asked.push(side, options)
    return { type: 'string' }
  }
  const schema = Object.assign(() => {}, { '~standard': { vendor: 'another', version: 1, jsonSchema: { input: jsonSchema('input'), output: jsonSchema('output') } } })
  t.strictSame(toJsonSchema(schema, 'output'), { type: 'string' })
  t.same(asked, ['output', { target: 'draft-07', libraryOptions: undefined }])
})

t.test('fluent-json-schema makes the schema on demand', async (t) => {
  const schema = Object.create({ valueOf: () => ({ type: 'string' }) }, { isFluentSchema: { value: true } })
  t.strictSame(toJsonSchema(schema, 'input'), { type: 'string' })
})

t.test('a schema of a library that tells nothing has no form', async (t) => {
  class Joi {}
  for (const schema of [undefined, null, new Joi(), () => {}, [{}], 'text']) t.equal(toJsonSchema(schema, 'input'), undefined)
})
