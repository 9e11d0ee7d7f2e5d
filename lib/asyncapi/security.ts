import { isObject } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { show } from '../base/show'

type Schemes = Record<string, any>

const SCHEMES = '#/components/securitySchemes/'

/**
 * Returns the `security` of an operation. `security` is that of OpenAPI, as @fastify/swagger takes it: a list of which one has to be met,
 * each an object of names of schemes with their scopes. Throws `WebSocketOptionError`, with `place` in its message, for a scheme that
 * `schemes` does not have.
 */
export function securityOf (security: unknown, schemes: Schemes, place: string): object[] | undefined {
  if (security === undefined) return undefined
  if (!Array.isArray(security) || !security.every(isObject)) {
    throw new WebSocketOptionError(`${place}: security is ${show(security)}: use a list such as [{ token: [] }]`)
  }
  const required = security.flatMap((names) => Object.entries<any>(names).map(([name, scopes]) => {
    if (!Object.hasOwn(schemes, name)) {
      throw new WebSocketOptionError(`${place}: security names the scheme ${show(name)}: give it to asyncapi in components.securitySchemes`)
    }
    const { type } = schemes[name]
    const hasScopes = Array.isArray(scopes) && scopes.length > 0 && (type === 'oauth2' || type === 'openIdConnect')
    return hasScopes ? { ...schemes[name], scopes } : { $ref: SCHEMES + name }
  }))
  return required.length > 0 ? required : undefined
}

/**
 * Returns the schemes as AsyncAPI has them. A scheme of OpenAPI differs in two places: an API key in a header, the query or a cookie is
 * an `httpApiKey`, and the scopes of a flow are its `availableScopes`.
 */
export function readSchemes (schemes: Schemes = {}): Schemes {
  return Object.fromEntries(Object.entries(schemes).map(([name, scheme]) => [name, readScheme(scheme)]))
}

function readScheme (scheme: Schemes): Schemes {
  if (scheme.type === 'apiKey' && ['header', 'query', 'cookie'].includes(scheme.in)) return { ...scheme, type: 'httpApiKey' }
  if (scheme.type !== 'oauth2' || !isObject(scheme.flows)) return scheme
  const flows = Object.entries<any>(scheme.flows).map(([name, { scopes, ...flow }]) => [name, { ...flow, ...(scopes !== undefined && { availableScopes: scopes }) }])
  return { ...scheme, flows: Object.fromEntries(flows) }
}
