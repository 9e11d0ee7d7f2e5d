import { WebSocketValidationError } from './errors'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Validate } from './codec'
import type { JsonSerialize } from './encode'

/**
 * `schema.receive` and `schema.send` are compiled by Fastify itself, when it compiles the schemas of the route: with
 * the route's compilers and shared schemas, and with Fastify's error for a schema that is broken. They stand where
 * Fastify looks, under a media type that no request or reply has: a message received as a body, and a message sent as
 * a response with the status after which messages flow.
 */
const MESSAGE = 'application/vnd.fastify-async-websocket.message'
const SWITCHING_PROTOCOLS = '101'

export type SchemaErrorFormatter = RouteOptions['schemaErrorFormatter']

export interface MessageSchemas {
  receive?: unknown
  send?: unknown
}

type RouteSchema = Record<string, unknown> & MessageSchemas

/** The result of a validator: Ajv's boolean, or what the compilers of other libraries return. */
type Result = boolean | { error?: unknown, value?: unknown } | PromiseLike<unknown> | undefined
type Validator = ((data: unknown, parent?: { parentData: object, parentDataProperty: string }) => Result) & { errors?: unknown[] | null, schemaEnv?: object }

/** The route's schema with the message schemas where Fastify compiles them. */
export function placeMessageSchemas (schema: RouteSchema): RouteSchema {
  const { receive, send } = schema
  const placed = { ...schema }
  if (receive !== undefined) placed.body = { content: { [MESSAGE]: { schema: plain(receive) } } }
  if (send !== undefined) {
    placed.response = { ...schema.response as object, [SWITCHING_PROTOCOLS]: { content: { [MESSAGE]: { schema: plain(send) } } } }
  }
  return placed
}

// As Fastify does for a body: fluent-json-schema builds its schema on demand.
function plain (schema: any): unknown {
  return schema?.isFluentSchema === true ? schema.valueOf() : schema
}

export function compiledValidate (request: FastifyRequest, format: SchemaErrorFormatter): Validate | undefined {
  const validators = request.getValidationFunction('body') as unknown as Record<string, Validator> | undefined
  return validators === undefined ? undefined : createValidate(validators[MESSAGE], format)
}

export function compiledSerialize (reply: FastifyReply): JsonSerialize | undefined {
  return reply.getSerializationFunction(SWITCHING_PROTOCOLS, MESSAGE) as JsonSerialize | undefined
}

function createValidate (validator: Validator, format: SchemaErrorFormatter): Validate {
  function judge (result: unknown, value: unknown): unknown {
    if (result === false) throw validationError(validator.errors ?? [], format)
    if (typeof result !== 'object' || result === null) return value
    const { error } = result as { error?: unknown }
    if (error) throw validationError(error, format)
    return 'value' in result ? result.value : value
  }

  return (value) => {
    // Ajv can replace a value only in the object that holds it.
    const holder = { value }
    const result = validator.schemaEnv === undefined
      ? validator(value)
      : validator(value, { parentData: holder, parentDataProperty: 'value' })
    // Fastify takes the result of an asynchronous validator as pass or fail only.
    if (isThenable(result)) {
      return Promise.resolve(result).then(
        (passed) => judge(passed !== false, holder.value),
        (error) => { throw validationError(error, format) })
    }
    return judge(result, holder.value)
  }
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function'
}

/** From a list of failures, as Ajv gives it, or from an error that may carry one. */
function validationError (failure: unknown, format: SchemaErrorFormatter): WebSocketValidationError {
  if (Array.isArray(failure)) {
    const message = format === undefined || failure.length === 0 ? describeAll(failure) : format(failure, 'receive' as never).message
    return new WebSocketValidationError(message, failure)
  }
  const error = failure as { message?: string, validation?: unknown, errors?: unknown, issues?: unknown, details?: unknown } | null | undefined
  const message = error?.message ?? String(failure)
  const lists = [error?.validation, error?.errors, error?.issues, error?.details]
  return new WebSocketValidationError(message, lists.find(Array.isArray) ?? [{ message }], { cause: failure })
}

function describeAll (failures: { instancePath?: string, message?: string }[]): string {
  if (failures.length === 0) return 'the message is not valid'
  return failures.map(({ instancePath = '', message = '' }) => `message${instancePath} ${message}`).join(', ')
}
