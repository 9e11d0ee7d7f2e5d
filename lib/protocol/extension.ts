/* The negotiation of permessage-deflate in the header Sec-WebSocket-Extensions (RFC 7692, section 7.1). */

/** The name of the extension (RFC 7692, section 7). */
export const NAME = 'permessage-deflate'

/** The largest window, which a side may use if nothing else has been agreed on, as a power of two. */
const DEFAULT_WINDOW_BITS = 15

/** The smallest window that a client is asked for. Some clients cannot compress with 8: Firefox, and those that use zlib. */
const MIN_CLIENT_WINDOW_BITS = 9

/** RFC 7692, section 7.1.2.1: a decimal integer from 8 to 15, without leading zeros. */
const WINDOW_BITS = /^(?:[89]|1[0-5])$/

/**
 * The options of `ws` for compression, by their names there. `threshold` is in bytes. `concurrencyLimit` has no effect: messages
 * are compressed in the process, not in the threads that `ws` limits.
 */
export interface DeflateOptions {
  serverNoContextTakeover?: boolean
  clientNoContextTakeover?: boolean
  serverMaxWindowBits?: number | false
  clientMaxWindowBits?: number | boolean
  zlibDeflateOptions?: object
  zlibInflateOptions?: object
  threshold?: number
  concurrencyLimit?: number
}

/** What both sides have agreed on. The sizes of the windows are powers of two, 8 to 15. */
export interface Agreement {
  serverNoContextTakeover: boolean
  clientNoContextTakeover: boolean
  serverMaxWindowBits: number
  clientMaxWindowBits: number
}

/** The parameters in a header. A size that is not there is undefined; `true` stands for `client_max_window_bits` without a value. */
interface Parameters {
  serverNoContextTakeover: boolean
  clientNoContextTakeover: boolean
  serverMaxWindowBits?: number
  clientMaxWindowBits?: number | true
}

interface Extension { name: string, parameters: [name: string, value: string | undefined][] }

/**
 * For a server: returns what is agreed on by the first offer in the request's `header` that `options` allow, and the value of the
 * response's Sec-WebSocket-Extensions. Returns null if there is none. `ws` refuses the request then; RFC 7692, section 7.1, lets
 * it go on without the extension. Offers of other extensions are left out. Throws an Error if the header or a parameter is
 * invalid.
 */
export function acceptOffer (header: string, options: DeflateOptions): { agreement: Agreement, response: string } | null {
  const offers = readOffers(header)
  const offer = offers.find((offer) => isAcceptable(offer, options))
  if (offer === undefined) return null
  const answer: Parameters = {
    serverNoContextTakeover: offer.serverNoContextTakeover || options.serverNoContextTakeover === true,
    // Without the client's context no memory is needed between its messages. A client that offers no parameter may not know this
    // one: Mojolicious 9 ignores it.
    clientNoContextTakeover: offer.clientNoContextTakeover || (options.clientNoContextTakeover ?? offer.clientMaxWindowBits !== undefined),
    serverMaxWindowBits: typeof options.serverMaxWindowBits === 'number' ? options.serverMaxWindowBits : offer.serverMaxWindowBits,
    clientMaxWindowBits: clientWindowBits(offer.clientMaxWindowBits, options.clientMaxWindowBits)
  }
  return { agreement: agreementOf(answer), response: format(answer) }
}

/** For a client: the value of the request's Sec-WebSocket-Extensions. */
export function offerOf (options: DeflateOptions): string {
  return format({
    serverNoContextTakeover: options.serverNoContextTakeover === true,
    clientNoContextTakeover: options.clientNoContextTakeover === true,
    serverMaxWindowBits: options.serverMaxWindowBits || undefined,
    clientMaxWindowBits: (options.clientMaxWindowBits ?? true) || undefined
  })
}

/**
 * For a client: returns what the server has agreed to, or null if the response has no Sec-WebSocket-Extensions. Throws an Error if
 * the header is invalid, or says what was not offered.
 */
export function readResponse (header: string | undefined, options: DeflateOptions): Agreement | null {
  if (header === undefined) return null
  const invalid = 'Invalid Sec-WebSocket-Extensions header'
  const extensions = orThrow(invalid, () => parse(header))
  if (extensions.some(({ name }) => name !== NAME)) throw new Error('Server indicated an extension that was not requested')
  const [answer] = orThrow(invalid, () => extensions.map((extension) => {
    const parameters = readParameters(extension)
    if (!isAnswer(parameters, options)) throw new Error('a parameter was not offered')
    return parameters
  }))
  const own = typeof options.clientMaxWindowBits === 'number' ? options.clientMaxWindowBits : undefined
  return agreementOf({ ...answer, clientMaxWindowBits: answer.clientMaxWindowBits ?? own })
}

function readOffers (header: string): Parameters[] {
  return orThrow('Invalid or unacceptable Sec-WebSocket-Extensions header', () => {
    return parse(header).filter(({ name }) => name === NAME).map(readParameters)
  })
}

/** Whether a server with `options` takes `offer`. An option asks for a parameter that the client must support, or refuses one. */
function isAcceptable (offer: Parameters, options: DeflateOptions): boolean {
  const { serverMaxWindowBits: server, clientMaxWindowBits: client } = options
  if (options.serverNoContextTakeover === false && offer.serverNoContextTakeover) return false
  if (offer.serverMaxWindowBits !== undefined && (server === false || (server !== undefined && server > offer.serverMaxWindowBits))) return false
  if (typeof client !== 'number') return true
  return offer.clientMaxWindowBits !== undefined && (offer.clientMaxWindowBits === true || client <= offer.clientMaxWindowBits)
}

/** The answer's `client_max_window_bits`: undefined if the client has not offered it, or if the answer would be too small for it. */
function clientWindowBits (offered: number | true | undefined, option: number | boolean | undefined): number | undefined {
  if (offered === undefined || option === false) return undefined
  const most = offered === true ? DEFAULT_WINDOW_BITS : offered
  if (typeof option === 'number') return MIN_CLIENT_WINDOW_BITS > most ? undefined : Math.max(option, MIN_CLIENT_WINDOW_BITS)
  return offered === true || offered < MIN_CLIENT_WINDOW_BITS ? undefined : offered
}

/** Whether a client that has offered `options` takes `answer`. */
function isAnswer (answer: Parameters, options: DeflateOptions): boolean {
  const { clientMaxWindowBits: option } = options
  const { clientMaxWindowBits: bits } = answer
  if (options.clientNoContextTakeover === false && answer.clientNoContextTakeover) return false
  if (bits === undefined) return true
  return bits !== true && option !== false && (typeof option !== 'number' || bits <= option)
}

function agreementOf (answer: Parameters): Agreement {
  const { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits = DEFAULT_WINDOW_BITS } = answer
  const clientMaxWindowBits = Number(answer.clientMaxWindowBits ?? DEFAULT_WINDOW_BITS)
  return { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits }
}

function format (parameters: Parameters): string {
  let value = NAME
  if (parameters.serverNoContextTakeover) value += '; server_no_context_takeover'
  if (parameters.clientNoContextTakeover) value += '; client_no_context_takeover'
  if (parameters.serverMaxWindowBits !== undefined) value += `; server_max_window_bits=${parameters.serverMaxWindowBits}`
  if (parameters.clientMaxWindowBits === true) value += '; client_max_window_bits'
  else if (parameters.clientMaxWindowBits !== undefined) value += `; client_max_window_bits=${parameters.clientMaxWindowBits}`
  return value
}

/** Throws an Error if a parameter is unknown, there twice, or has a wrong value (RFC 7692, section 7.1). */
function readParameters ({ parameters }: Extension): Parameters {
  const found: Parameters = { serverNoContextTakeover: false, clientNoContextTakeover: false }
  const seen = new Set<string>()
  for (const [name, value] of parameters) {
    if (seen.has(name)) throw new Error(`parameter ${name} is there twice`)
    seen.add(name)
    if (name === 'server_no_context_takeover' && value === undefined) found.serverNoContextTakeover = true
    else if (name === 'client_no_context_takeover' && value === undefined) found.clientNoContextTakeover = true
    else if (name === 'client_max_window_bits' && value === undefined) found.clientMaxWindowBits = true
    else if (name === 'client_max_window_bits') found.clientMaxWindowBits = readWindowBits(value)
    else if (name === 'server_max_window_bits') found.serverMaxWindowBits = readWindowBits(value)
    else throw new Error(`parameter ${name} is unknown or has a wrong value`)
  }
  return found
}

function readWindowBits (value = ''): number {
  if (!WINDOW_BITS.test(value)) throw new Error(`a window of ${value} bits is not from 8 to 15`)
  return Number(value)
}

/**
 * One name, with a value if there is one, and what separates it from the next. The value is a token, or a quoted string that is a
 * token once its backslashes are removed (RFC 6455, section 9.1).
 */
const PART = /[ \t]*([!#$%&'*+\-.^_`|~\w]+)(?:=([!#$%&'*+\-.^_`|~\w]+)|="((?:\\?[!#$%&'*+\-.^_`|~\w])+)")?[ \t]*([;,]|$)/y

/** Throws a SyntaxError if `header` does not have the grammar of Sec-WebSocket-Extensions. */
function parse (header: string): Extension[] {
  const extensions: Extension[] = []
  let separator = ','
  for (let at = 0; separator !== ''; at = PART.lastIndex) {
    PART.lastIndex = at
    const part = PART.exec(header)
    if (part === null) throw new SyntaxError(`unexpected character at index ${at} or later`)
    const [, name, token, quoted] = part
    const value = token ?? quoted?.replaceAll('\\', '')
    if (separator === ';') extensions[extensions.length - 1].parameters.push([name, value])
    else if (value === undefined) extensions.push({ name, parameters: [] })
    else throw new SyntaxError(`extension ${name} has a value`)
    separator = part[4]
  }
  return extensions
}

/** Runs `read`. What it throws is the cause of an Error with `message`. */
function orThrow<T> (message: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new Error(message, { cause })
  }
}
