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
 * The parts of a URL, as find-my-way reads them: `::` is a colon; the name of a parameter ends before a slash, a hyphen, a dot or
 * its pattern; a question mark behind a parameter at the end makes it optional; `*` is a wildcard.
 */
const PART = /::|:([^/\-.(?]+)|\*|\?$|[{}]/g

/** Returns the address of a route with the URL `url`. */
export function addressOf (url: string): Address {
  const parameters: Address['parameters'] = []
  let isExact = true
  const replace = (part: string, name: string | undefined): string => {
    if (part === '::') return ':'
    if (part === '{' || part === '}') return encodeURIComponent(part)
    if (name === undefined) isExact = false
    if (part === '?') return ''
    const own = name ?? WILDCARD
    parameters.push({ name: own, fastifyName: name ?? part })
    return `{${own}}`
  }
  const plain = withoutPatterns(url)
  const address = plain.replace(PART, replace)
  return { address, parameters, isExact: isExact && plain === url }
}

/** Returns `url` without the patterns of its parameters. */
function withoutPatterns (url: string): string {
  let plain = ''
  let depth = 0
  for (const [at, char] of [...url].entries()) {
    if (char === '(' && (depth > 0 || /:[^/\-.(]+$/.test(url.slice(0, at)))) depth++
    if (depth === 0) plain += char
    if (char === ')' && depth > 0) depth--
  }
  return plain
}
