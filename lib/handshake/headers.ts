import { validateHeaderName, validateHeaderValue } from 'node:http'
import { isUint8Array } from 'node:util/types'
import { WebSocketHandshakeError, WebSocketOptionError } from '../base/errors'
import { show } from '../base/show'
import type { HeadersLike } from '../../types/message'

export type HeaderPairs = [name: string, value: string][]

/** What belongs to the handshake itself, or would change how the response is read (RFC 9110, sections 7.6.1 and 8.6). */
const RESERVED = /^(?:connection|upgrade|keep-alive|trailer|transfer-encoding|content-length|sec-websocket-.*)$/i

/** What tells of a body, which a 101 response has not (RFC 9110, sections 8.3 to 8.7). Policies only begin with the same word. */
const OF_BODY = /^content-(?!security-policy)/i

const NONE: HeaderPairs = []

/**
 * Names and values of headers that a refusal has, as pairs, one for each line.
 * Throws `WebSocketHandshakeError` for what would break out of a header, and for what belongs to the handshake itself.
 */
export function refusalHeaders (headers: HeadersLike | undefined): HeaderPairs {
  return checkedPairs(headers, (name) => RESERVED.test(name))
}

/** The same of headers that a 101 response is to have: throws for what tells of a body as well. */
export function switchingHeaders (headers: HeadersLike | undefined): HeaderPairs {
  return checkedPairs(headers, isNotSwitching)
}

/** Those of the headers of a reply that may go out with a 101 response. Throws `WebSocketHandshakeError` for what would break out of a header. */
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

/** `pairs`, and before them those of `others` whose names they have not. Cookies are all kept. */
export function addedTo (others: HeaderPairs, pairs: HeaderPairs): HeaderPairs {
  if (others.length === 0) return pairs
  const names = new Set(pairs.map(([name]) => name.toLowerCase()))
  names.delete('set-cookie')
  return [...others.filter(([name]) => !names.has(name.toLowerCase())), ...pairs]
}

function pairsOf (headers: unknown): HeaderPairs {
  return entriesOf(headers).flatMap((entry) => {
    if (!Array.isArray(entry)) throw new WebSocketOptionError(`headers have ${show(entry)}: use pairs of a name and a value`)
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
  return [name, value]
}
