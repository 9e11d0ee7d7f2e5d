import { validateHeaderName, validateHeaderValue } from 'node:http'
import { isUint8Array } from 'node:util/types'
import { WebSocketHandshakeError, WebSocketOptionError } from '../base/errors'
import { show } from '../base/show'
import type { HeadersLike } from '../../types/message'

export type HeaderPairs = [name: string, value: string][]

/** Headers that belong to the handshake itself, or would change how the response is read (RFC 9110, sections 7.6.1 and 8.6). */
const RESERVED = /^(?:connection|upgrade|keep-alive|trailer|transfer-encoding|content-length|sec-websocket-.*)$/i

/**
 * Headers that describe a body (RFC 9110, sections 8.3 to 8.7). A 101 response has no body. `content-security-policy` only
 * begins with the same word.
 */
const OF_BODY = /^content-(?!security-policy)/i

const NONE: HeaderPairs = []

/**
 * Returns the headers of a refusal as pairs of name and value, one per line. Throws `WebSocketHandshakeError` for names and
 * values that a header cannot have, and for headers that belong to the handshake. Throws `WebSocketOptionError` for other types.
 */
export function refusalHeaders (headers: HeadersLike | undefined): HeaderPairs {
  return checkedPairs(headers, (name) => RESERVED.test(name))
}

/** Returns the headers of a 101 response. Throws like `refusalHeaders`, and for headers that describe a body. */
export function switchingHeaders (headers: HeadersLike | undefined): HeaderPairs {
  return checkedPairs(headers, isNotSwitching)
}

/**
 * Returns the headers of a reply without those that a 101 response may not have. Throws `WebSocketHandshakeError` for names and
 * values that a header cannot have.
 */
export function repliedHeaders (headers: object): HeaderPairs {
  const pairs = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((v) => headerPair(name, String(v)))) // as Node does
  return pairs.filter(([name]) => !isNotSwitching(name))
}

function isNotSwitching (name: string): boolean {
  return RESERVED.test(name) || OF_BODY.test(name)
}

function checkedPairs (headers: HeadersLike | undefined, isReserved: (name: string) => boolean): HeaderPairs {
  if (headers === undefined) return NONE
  const pairs = pairsOf(headers)
  const reserved = pairs.find(([name]) => isReserved(name))
  if (reserved !== undefined) throw new WebSocketHandshakeError(`the header '${reserved[0]}' belongs to the handshake and cannot be set`)
  return pairs
}

/** Returns the pairs of `base` whose names `overrides` does not have, then `overrides`. Cookies are all kept. */
export function mergeHeaders (base: HeaderPairs, overrides: HeaderPairs): HeaderPairs {
  if (base.length === 0) return overrides
  const names = new Set(overrides.map(([name]) => name.toLowerCase()))
  names.delete('set-cookie')
  return [...base.filter(([name]) => !names.has(name.toLowerCase())), ...overrides]
}

function pairsOf (headers: unknown): HeaderPairs {
  return entriesOf(headers).flatMap((entry) => {
    if (!Array.isArray(entry)) throw new WebSocketOptionError(`headers contain ${show(entry)}: use pairs of a name and a value`)
    const [name, value] = entry
    const values = Array.isArray(value) ? value : [value]
    return values.filter((v) => v !== undefined).map((v) => headerPair(nameOf(name), valueOf(name, v)))
  })
}

function entriesOf (headers: unknown): unknown[] {
  if (typeof headers !== 'object' || headers === null) throw new WebSocketOptionError(`headers are ${show(headers)}: use an object, or pairs of names and values`)
  return Symbol.iterator in headers ? [...headers as Iterable<unknown>] : Object.entries(headers)
}

function nameOf (name: unknown): string {
  return textOf(name) ?? misfit('the name of a header', name, 'a string or bytes')
}

function valueOf (name: unknown, value: unknown): string {
  return textOf(value) ?? (typeof value === 'number' ? String(value) : misfit(`the header ${show(name)}`, value, 'a string, a number or bytes'))
}

// ASGI gives names and values as bytes.
function textOf (value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return isUint8Array(value) ? Buffer.from(value).toString('latin1') : undefined
}

function misfit (what: string, value: unknown, use: string): never {
  throw new WebSocketOptionError(`${what} is ${show(value)}: use ${use}`)
}

function headerPair (name: string, value: string): HeaderPairs[number] {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch (error) {
    throw new WebSocketHandshakeError(`invalid header ${JSON.stringify(name)}: ${(error as Error).message}`, { cause: error })
  }
  return [name, value.trim()] // RFC 9110, section 5.5: a value has no spaces around it. Over HTTP/2 nobody would remove them
}
