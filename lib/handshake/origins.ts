import { domainToASCII } from 'node:url'
import type { FastifyRequest } from 'fastify'
import type { AllowedOrigins } from '../../types/options'

/*
 * A browser lets the pages of any origin open connections, and sends the cookies of the host along; it names the
 * origin of the page in the request (RFC 6455, section 10.2). Other clients name none, or whatever they like.
 */

/** Whether a page of `origin`, which `request` comes from, may connect. */
export type OriginCheck = (origin: string, request: FastifyRequest) => boolean | Promise<boolean>

/**
 * An origin as it is written in ASCII (RFC 6454, section 6.2): a scheme, a host, a port unless it is the scheme's, and
 * nothing else. `null`, a list, credentials, a path, an empty label: no origin.
 */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/(?:\[[\da-f:.]+\]|[\w-]+(?:\.[\w-]+)*\.?)(?::\d+)?$/

/** What is longer, in characters, is no origin: a name of the DNS has 253 at most, and a long one takes long to be read. */
const MAX_LENGTH = 512

/** The first label of a host, where it stands for any names below one. */
const WILDCARD = /(?<=:\/\/)\*(?=\.[^:])/

/** The name of a host that may be in Unicode. */
const NAME = /(?<=:\/\/)[\p{L}\p{M}\p{N}.-]+/u

/** What proxies call the scheme of a request that came to them over TLS. */
const SECURE = /^(?:https|wss)$/i

/** Makes the check of a route from its option `origins`, which has been checked itself. */
export function createOriginCheck (allowed: AllowedOrigins): OriginCheck {
  if (allowed === '*') return () => true
  if (allowed === 'same-origin') return isSameOrigin
  if (typeof allowed === 'function') return (origin, request) => allowed.call(request.server, origin, request)
  if (allowed instanceof RegExp) return matches(allowed)
  return isListed(allowed)
}

/**
 * Whether the page has the host and port of the request.
 *
 * Behind a proxy these are known from what it passes on as `Host`, or with `trustProxy` as `X-Forwarded-Host`; a host
 * without a port has that of the page's scheme. A request that is known to have come over TLS is for `https` pages only:
 * what an `http` page does is up to whoever is between it and the browser. For others either scheme will do, since a
 * proxy may have ended TLS.
 */
function isSameOrigin (origin: string, { host, protocol }: FastifyRequest): boolean {
  const serialized = serialize(origin)
  if (serialized === undefined) return false
  return serialized === serialize(`https://${host}`) || (!SECURE.test(protocol) && serialized === serialize(`http://${host}`))
}

function matches (allowed: RegExp): OriginCheck {
  const pattern = new RegExp(allowed) // with a `lastIndex` of its own
  return (origin) => {
    pattern.lastIndex = 0
    return pattern.test(origin)
  }
}

function isListed (allowed: readonly string[]): OriginCheck {
  const tests = allowed.map((entry) => parseEntry(entry)!)
  return (origin) => {
    const serialized = serialize(origin)
    return serialized !== undefined && tests.some((test) => test(serialized))
  }
}

/**
 * What an entry of a list stands for: itself, or with `*.` before its host all names below that one, at any depth, but
 * not that one. Tests an origin in its one way to be written; `undefined` for an entry that is no origin.
 */
export function parseEntry (entry: string): ((serialized: string) => boolean) | undefined {
  const allowed = serialize(entry.replace(WILDCARD, 'a').replace(NAME, domainToASCII)) // `a` for any names
  if (allowed === undefined) return undefined
  if (!WILDCARD.test(entry)) return (serialized) => serialized === allowed
  const [scheme, domain] = allowed.split('://a.')
  return (serialized) => serialized.startsWith(`${scheme}://`) && serialized.endsWith(`.${domain}`)
}

/** The one way to write an origin: in lower case, addresses in their usual notation, without the scheme's own port. */
function serialize (origin: string): string | undefined {
  if (origin.length > MAX_LENGTH) return undefined
  const text = origin.toLowerCase() // the host of a scheme that URL does not know would keep its case
  if (!ORIGIN.test(text) || !URL.canParse(text)) return undefined
  const { protocol, host } = new URL(text)
  return `${protocol}//${host}`
}
