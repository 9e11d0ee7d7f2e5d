import createError from '@fastify/error'
import { WebSocketValidationError } from '../base/errors'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Validate } from './codec'
import type { JsonSerialize } from './encode'

/** What a compiler is told that it compiles: no request or reply has this media type. */
const MESSAGE = 'application/vnd.fastify-async-websocket.message'
const SWITCHING_PROTOCOLS = '101'

/** Those of Fastify for a schema that does not compile. */
const BuildErrors = {
  receive: createError<string, unknown[]>('FST_ERR_SCH_VALIDATION_BUILD', 'Failed building the validation schema for %s: %s, due to error schema.receive: %s'),
  send: createError<string, unknown[]>('FST_ERR_SCH_SERIALIZATION_BUILD', 'Failed building the serialization schema for %s: %s, due to error schema.send: %s')
}

export type SchemaErrorFormatter = RouteOptions['schemaErrorFormatter']

/** The part of a route's options that its message schemas depend on. */
export interface SchemaRoute {
  method: unknown
  url: string
  schema?: any
  validatorCompiler?: unknown
  serializerCompiler?: unknown
  schemaErrorFormatter?: SchemaErrorFormatter
}

/** The result of a validator: Ajv's boolean, or what the compilers of other libraries return. */
type Result = boolean | { error?: unknown, value?: unknown } | PromiseLike<unknown> | undefined
type Validator = ((data: unknown, parent?: { parentData: object, parentDataProperty: string }) => Result) & { errors?: unknown[] | null, schemaEnv?: object }
type Compile = (definition: object) => any

/** The compilers of the context of a route. Undefined where they are not within reach. */
export interface Compilers {
  validator (): Compile | undefined
  serializer (): Compile | undefined
}

/**
 * The message schemas of a route. They are compiled when the app gets ready, as Fastify compiles a body and a response: by the
 * compilers of the route or of its context, with the schemas that this shares. They are no body and no response in the options
 * of the route, where whoever documents the route would find them.
 */
export class MessageSchemas {
  readonly #route: SchemaRoute
  #validator?: Validator
  #serialize?: JsonSerialize

  constructor (route: SchemaRoute) {
    this.#route = route
  }

  /** Compiles with the compilers of the route, or else with those of its context. Throws Fastify's error for a schema that does not compile. */
  compile (context: Compilers): void {
    const { schema = {}, validatorCompiler, serializerCompiler } = this.#route
    if (schema.receive !== undefined) {
      const compile = validatorCompiler ?? context.validator()
      this.#validator = this.#build(compile, 'receive', { httpPart: 'body' })
    }
    if (schema.send !== undefined) {
      const compile = serializerCompiler ?? context.serializer()
      this.#serialize = this.#build(compile, 'send', { httpStatus: SWITCHING_PROTOCOLS })
    }
  }

  #build (compile: unknown, side: 'receive' | 'send', part: object): any {
    const { schema, method, url } = this.#route
    try {
      return (compile as Compile | undefined)?.({ schema: plain(schema[side]), method, url, ...part, contentType: MESSAGE })
    } catch (error) {
      throw new BuildErrors[side](method, url, (error as Error).message, { cause: error })
    }
  }

  /** The check of what is received; where the compilers of the context are not within reach, compiled by way of `request`. */
  validate (request: FastifyRequest): Validate | undefined {
    const { schema, schemaErrorFormatter } = this.#route
    if (schema?.receive === undefined) return undefined
    this.#validator ??= request.compileValidationSchema(plain(schema.receive), 'body') as unknown as Validator
    return createValidate(this.#validator, schemaErrorFormatter)
  }

  /** Makes JSON of what is sent; where the compilers of the context are not within reach, compiled by way of `reply`. */
  serialize (reply: FastifyReply): JsonSerialize | undefined {
    const { schema } = this.#route
    if (schema?.send === undefined) return undefined
    this.#serialize ??= reply.compileSerializationSchema(plain(schema.send), SWITCHING_PROTOCOLS, MESSAGE) as JsonSerialize
    return this.#serialize
  }
}

// As Fastify does for a body: fluent-json-schema builds its schema on demand.
function plain (schema: any): any {
  return schema?.isFluentSchema === true ? schema.valueOf() : schema
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
