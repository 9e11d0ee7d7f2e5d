import { domainToASCII } from 'node:url'
import type { FastifyRequest } from 'fastify'
import type { AllowedOrigins } from '../../types/options'

/*
 * A browser lets the pages of any origin open connections, and sends the cookies of the host with the request. The browser
 * names the origin of the page in the request (RFC 6455, section 10.2). Other clients name no origin, or any origin they like.
 */

/** Whether a page of `origin` may connect with `request`. */
export type OriginCheck = (origin: string, request: FastifyRequest) => boolean | Promise<boolean>

/**
 * An origin in ASCII (RFC 6454, section 6.2): a scheme, a host, a port unless it is the scheme's default, and nothing else.
 * `null`, a list, credentials, a path and an empty label are no origin.
 */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/(?:\[[\da-f:.]+\]|[\w-]+(?:\.[\w-]+)*\.?)(?::\d+)?$/

/** The maximum length of an origin in characters. A DNS name has at most 253 characters, and long strings take long to parse. */
const MAX_LENGTH = 512

/** The first label `*` of a host, which stands for all names below the rest of the host. */
const WILDCARD = /(?<=:\/\/)\*(?=\.[^:])/

/** The host, which may be in Unicode. */
const NAME = /(?<=:\/\/)[\p{L}\p{M}\p{N}.-]+/u

/** The scheme that a proxy reports for a request over TLS. */
const SECURE = /^(?:https|wss)$/i

/** Creates the check of a route from its option `origins`, which is valid. */
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
 * Behind a proxy, the host and port come from the `Host` that the proxy passes on, or with `trustProxy` from
 * `X-Forwarded-Host`. A host without a port has the default port of the page's scheme. A request over TLS allows `https` pages
 * only: an attacker on the network can change an `http` page. Other requests allow both schemes, since a proxy may have ended
 * TLS.
 */
function isSameOrigin (origin: string, { host, protocol }: FastifyRequest): boolean {
  const serialized = serialize(origin)
  if (serialized === undefined) return false
  return serialized === serialize(`https://${host}`) || (!SECURE.test(protocol) && serialized === serialize(`http://${host}`))
}

function matches (allowed: RegExp): OriginCheck {
  const pattern = new RegExp(allowed) // a copy with its own `lastIndex`
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
 * Parses an entry of a list of origins. Returns a test of a serialized origin, or undefined if the entry is no origin. An entry
 * with `*.` before its host allows all names below the host, at any depth, but not the host itself.
 */
export function parseEntry (entry: string): ((serialized: string) => boolean) | undefined {
  const allowed = serialize(entry.replace(WILDCARD, 'a').replace(NAME, domainToASCII)) // `a` stands for any names
  if (allowed === undefined) return undefined
  if (!WILDCARD.test(entry)) return (serialized) => serialized === allowed
  const [scheme, domain] = allowed.split('://a.')
  return (serialized) => serialized.startsWith(`${scheme}://`) && serialized.endsWith(`.${domain}`)
}

/**
 * Returns an origin in its serialized form: in lower case, addresses in their usual notation, without the scheme's default port.
 * Returns undefined for a text that is no origin.
 */
function serialize (origin: string): string | undefined {
  if (origin.length > MAX_LENGTH) return undefined
  const text = origin.toLowerCase() // URL keeps the case of a host whose scheme it does not know
  if (!ORIGIN.test(text) || !URL.canParse(text)) return undefined
  const { protocol, host } = new URL(text)
  return `${protocol}//${host}`
}
