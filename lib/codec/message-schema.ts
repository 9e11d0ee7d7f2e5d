import createError from '@fastify/error'
import { WebSocketValidationError } from '../base/errors'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Validate } from './codec'
import type { JsonSerialize } from './encode'

/** The media type that tells a compiler that it compiles a message schema. No request or reply has this media type. */
const MESSAGE = 'application/vnd.fastify-async-websocket.message'
const SWITCHING_PROTOCOLS = '101'

/** Fastify's errors for a schema that does not compile. */
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

/** The result of a validator: a boolean from Ajv, or the object that the compilers of other libraries return. */
type Result = boolean | { error?: unknown, value?: unknown } | PromiseLike<unknown> | undefined
type Validator = ((data: unknown, parent?: { parentData: object, parentDataProperty: string }) => Result) & { errors?: unknown[] | null, schemaEnv?: object }
type Compile = (definition: object) => any

/** The compilers of the context of a route. Each is undefined if it is out of reach. */
export interface Compilers {
  validator (): Compile | undefined
  serializer (): Compile | undefined
}

/**
 * The message schemas of a route. They are compiled when the app gets ready, like Fastify compiles the schemas of a body and a
 * response: with the compilers of the route or of its context, and with the shared schemas of that context. The options of the
 * route do not list them as a body or a response, because tools that document routes would list them there.
 */
export class MessageSchemas {
  readonly #route: SchemaRoute
  #validator?: Validator
  #serialize?: JsonSerialize

  constructor (route: SchemaRoute) {
    this.#route = route
  }

  /**
   * Compiles the schemas with the compilers of the route, or with those of its context. Throws Fastify's error for a schema that
   * does not compile.
   */
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

  /** The validator of received messages. Compiled through `request` if the compilers of the context are out of reach. */
  validate (request: FastifyRequest): Validate | undefined {
    const { schema, schemaErrorFormatter } = this.#route
    if (schema?.receive === undefined) return undefined
    this.#validator ??= request.compileValidationSchema(plain(schema.receive), 'body') as unknown as Validator
    return createValidate(this.#validator, schemaErrorFormatter)
  }

  /** The serializer of sent messages. Compiled through `reply` if the compilers of the context are out of reach. */
  serialize (reply: FastifyReply): JsonSerialize | undefined {
    const { schema } = this.#route
    if (schema?.send === undefined) return undefined
    this.#serialize ??= reply.compileSerializationSchema(plain(schema.send), SWITCHING_PROTOCOLS, MESSAGE) as JsonSerialize
    return this.#serialize
  }
}

// fluent-json-schema builds a schema on demand. Fastify unwraps the schema of a body in the same way.
function plain (schema: any): any {
  return schema?.isFluentSchema === true ? schema.valueOf() : schema
}

function createValidate (validator: Validator, format: SchemaErrorFormatter): Validate {
  function resultOf (result: unknown, value: unknown): unknown {
    if (result === false) throw validationError(validator.errors ?? [], format)
    if (typeof result !== 'object' || result === null) return value
    const { error } = result as { error?: unknown }
    if (error) throw validationError(error, format)
    return 'value' in result ? result.value : value
  }

  return (value) => {
    // Ajv coerces a value by replacing it in its parent object, so that a message needs a parent.
    const holder = { value }
    const result = validator.schemaEnv === undefined
      ? validator(value)
      : validator(value, { parentData: holder, parentDataProperty: 'value' })
    // Of an asynchronous validator, Fastify only uses whether the value passes. Messages follow that rule.
    if (isThenable(result)) {
      return Promise.resolve(result).then(
        (passed) => resultOf(passed !== false, holder.value),
        (error) => { throw validationError(error, format) })
    }
    return resultOf(result, holder.value)
  }
}

function isThenable (value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function'
}

/** Makes the error from `failure`: a list of failures, as of Ajv, or an error that may have such a list. */
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
