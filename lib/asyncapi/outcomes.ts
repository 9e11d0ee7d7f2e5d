import { closeCodes } from '../base/close-codes'
import { isObject } from '../base/checks'
import type { RouteSettings } from '../plugin/options'
import type { SchemaObject } from './json-schema'

/* What a client of a route has to expect besides messages: a refusal of the handshake, and the codes of a close. */

/** The part of a route that its outcomes depend on. */
export interface OutcomeRoute {
  options: RouteSettings
  raw: boolean
  schema: SchemaObject
  /** The close code of `app.close()`. */
  shutdownCode: number
}

/** A refusal: its HTTP response. */
export interface Refusal {
  description: string
  payload?: unknown
}

/**
 * The refusals of a route by their status: those of the plugin, and those that `schema.response` describes. `describe` returns a schema
 * for the document.
 */
export function refusalsOf ({ options, schema }: OutcomeRoute, describe: (schema: unknown, status: string) => unknown): Record<string, Refusal> {
  const { params, querystring, headers, response } = schema
  const own: Record<string, Refusal> = {}
  if ((params ?? querystring ?? headers) !== undefined) own[400] = { description: 'The path, the query or a header does not validate.' }
  if (options.origins !== '*') own[403] = { description: 'Pages of this origin may not connect.' }
  own[503] = { description: 'The server is closing, has too many connections, or has not decided in time.' }
  for (const [status, responseSchema] of Object.entries<any>(response ?? {})) {
    if (/^[12]/.test(status)) continue // the HTTP side of a route with a wsHandler
    const { description = own[status]?.description ?? '', content } = responseSchema
    const payload = describe(isObject(content) ? Object.values<any>(content)[0]?.schema : responseSchema, status)
    own[status] = { description, ...(payload !== undefined && { payload }) }
  }
  return own
}

/** The close codes that a client of a route may get, and when. `refusals` are the statuses of refusals. */
export function closeCodesOf (route: OutcomeRoute, refusals: string[]): Record<string, string> {
  const { raw, options: { maxPayload, refusal } } = route
  return {
    ...(!raw && sessionCodes(route)),
    [closeCodes.MESSAGE_TOO_BIG]: `A message is larger than ${maxPayload} bytes.`,
    ...(refusal !== 'http' && Object.fromEntries(refusals.filter((status) => /^\d+$/.test(status)).map((status) =>
      [4000 + Number(status), `The handshake is refused, with ${status} as its status.`])))
  }
}

function sessionCodes ({ options, schema, shutdownCode }: OutcomeRoute): Record<string, string> {
  const { receiveType, idleTimeout, rateLimit, slowSubscriber } = options
  const leaves = 'The server is closing.'
  const invalid = [
    schema.receive !== undefined && 'A message does not validate.',
    rateLimit && `More than ${rateLimit.messages} messages came in ${rateLimit.interval} ms.`
  ].filter(Boolean)
  const codes: Record<string, string> = { [closeCodes.NORMAL_CLOSURE]: 'The server has finished.', [shutdownCode]: leaves }
  if (idleTimeout !== false) {
    const idle = `No message went either way for ${idleTimeout} ms.`
    codes[closeCodes.GOING_AWAY] = shutdownCode === closeCodes.GOING_AWAY ? `${leaves} Or: ${idle}` : idle
  }
  if (!['any', 'bytes'].includes(receiveType)) codes[closeCodes.UNSUPPORTED_DATA] = `A message is not of the type ${receiveType}.`
  if (invalid.length > 0) codes[closeCodes.POLICY_VIOLATION] = invalid.join(' Or: ')
  codes[closeCodes.INTERNAL_ERROR] = 'The server has failed.'
  if (slowSubscriber === 'close') codes[closeCodes.TRY_AGAIN_LATER] = 'The client reads what is published too slowly.'
  return codes
}
