/** A URL of a Fastify route as the address of a channel. */
export interface Address {
  /** With `{name}` for each parameter. */
  address: string
  /** The names of the parameters, as they stand in `address`, and as Fastify has them. */
  parameters: { name: string, fastifyName: string }[]
  /** Whether `address` says as much as the URL: a pattern, an optional parameter or a wildcard has no form in an address. */
  isExact: boolean
}

/** The name of the wildcard in an address. In `request.params` it is `*`. */
const WILDCARD = 'wildcard'

/**
 * The parts of a URL, as find-my-way reads them: `::` is a colon; the name of a parameter ends before a slash, a hyphen, a dot or its
 * pattern; a question mark behind the last parameter makes it optional; `*` is a wildcard. A pattern may have parentheses in it.
 */
const PART = /::|:([^/\-.(?]+)(\??)(?=(\(?))|\*|[{}]/g

/** Returns the address of a route with the URL `url`. */
export function addressOf (url: string): Address {
  const parameters: Address['parameters'] = []
  let address = ''
  let isExact = true
  let end = 0
  for (const { 0: part, 1: name, 2: optional, 3: pattern, index } of url.matchAll(PART)) {
    if (index < end) continue // in a pattern
    address += url.slice(end, index)
    end = index + part.length
    if (part === '::') address += ':'
    else if (part === '{' || part === '}') address += encodeURIComponent(part)
    else {
      if (pattern === '(') end = endOfPattern(url, end)
      isExact &&= name !== undefined && optional === '' && pattern === ''
      parameters.push({ name: name ?? WILDCARD, fastifyName: name ?? part })
      address += `{${name ?? WILDCARD}}`
    }
  }
  return { address: address + url.slice(end), parameters, isExact }
}

/** Where the pattern ends whose parenthesis stands at `start`. */
function endOfPattern (url: string, start: number): number {
  let at = start + 1
  for (let depth = 1; depth > 0 && at < url.length; at++) depth += Number(url[at] === '(') - Number(url[at] === ')')
  return at
}
