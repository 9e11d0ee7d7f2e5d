import t from 'tap'
import { acceptOffer, offerOf, readResponse, type DeflateOptions } from '../../lib/protocol/extension'

const { PerMessageDeflate, extension: { format, parse } } = require('ws')

const NAME = 'permessage-deflate'

/** ws keeps the client's context unless it is told not to. */
const AS_WS: DeflateOptions = { clientNoContextTakeover: false }

const INVALID = 'Invalid or unacceptable Sec-WebSocket-Extensions header'

/** What ws answers as a server: the response, null if it takes none of the offers, or 'invalid'. */
function wsAnswers (header: string, options: object): string | null {
  try {
    const offers = parse(header)[NAME]
    if (offers === undefined) return null
    return format({ [NAME]: [new PerMessageDeflate({ ...options, isServer: true }).accept(offers)] })
  } catch (error) {
    return /None of the extension/.test((error as Error).message) ? null : 'invalid'
  }
}

function answer (header: string, options: DeflateOptions): string | null {
  try {
    return acceptOffer(header, options)?.response ?? null
  } catch (error) {
    return (error as Error).message === INVALID ? 'invalid' : String(error)
  }
}

const sorted = (value: string | null): string | undefined => value?.split('; ').sort().join('; ')

/** All combinations of one of `values` for each name, and of its absence. */
function * combinations (values: Record<string, unknown[]>): Generator<Record<string, unknown>> {
  const [[name, choices], ...others] = Object.entries(values)
  const rest = others.length === 0 ? [{}] : [...combinations(Object.fromEntries(others))]
  for (const other of rest) {
    yield other
    for (const choice of choices) yield { [name]: choice, ...other }
  }
}

const PARAMETERS = {
  server_no_context_takeover: [true],
  client_no_context_takeover: [true],
  server_max_window_bits: ['8', '9', '12', '15'],
  client_max_window_bits: [true, '9', '12', '15']
}

const OPTIONS = {
  serverNoContextTakeover: [true, false],
  serverMaxWindowBits: [false, 8, 12, 15],
  clientMaxWindowBits: [true, false, 9, 12, 15]
}

t.test('a server takes and answers the offers as ws does', async (t) => {
  let count = 0
  for (const parameters of combinations(PARAMETERS)) {
    const header = format({ [NAME]: parameters })
    for (const options of combinations(OPTIONS)) {
      const [ours, theirs] = [answer(header, { ...AS_WS, ...options }), wsAnswers(header, options)]
      count++
      if (sorted(ours) !== sorted(theirs)) t.equal(ours, theirs, `${header} with ${JSON.stringify(options)}`)
    }
  }
  t.equal(count, 9000)
})

t.test('a server answers that the client keeps no context where the client offers a parameter of its own, unless its options say otherwise', async (t) => {
  const context = { serverNoContextTakeover: false, clientNoContextTakeover: false, serverMaxWindowBits: 15, clientMaxWindowBits: 15 }
  const without = `${NAME}; client_no_context_takeover`
  for (const [offer, options] of [[NAME, { clientNoContextTakeover: true }], [`${NAME}; client_max_window_bits`, {}], [without, {}], [without, AS_WS]] as const) {
    t.same(acceptOffer(offer, options), { agreement: { ...context, clientNoContextTakeover: true }, response: without }, offer)
  }
  for (const [offer, options] of [[NAME, {}], [NAME, AS_WS], [`${NAME}; client_max_window_bits`, AS_WS]] as const) {
    t.same(acceptOffer(offer, options), { agreement: context, response: NAME }, offer)
  }
})

t.test('the agreement is what the response says', async (t) => {
  const { agreement, response } = acceptOffer(`${NAME}; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits=11`, {})!
  t.same(agreement, { serverNoContextTakeover: true, clientNoContextTakeover: true, serverMaxWindowBits: 8, clientMaxWindowBits: 11 })
  t.same(readResponse(response, {}), agreement)
})

t.test('a client is never asked for a window of 8 bits', async (t) => {
  const bits = (offer: string, clientMaxWindowBits?: number): string | undefined => {
    const { agreement, response } = acceptOffer(`${NAME}${offer}`, { ...AS_WS, clientMaxWindowBits })!
    const [, found] = /client_max_window_bits=(\d+)/.exec(response) ?? []
    t.equal(agreement.clientMaxWindowBits, Number(found ?? 15))
    return found
  }
  t.equal(bits('; client_max_window_bits=8'), undefined)
  t.equal(bits('; client_max_window_bits=8', 8), undefined)
  t.equal(bits('; client_max_window_bits=9', 8), '9')
  t.equal(bits('; client_max_window_bits', 8), '9')
})

t.test('a client that has not offered it is not asked for a window', async (t) => {
  t.equal(answer(NAME, { clientMaxWindowBits: 12 }), null)
  t.equal(answer(`${NAME}; client_max_window_bits=10`, { clientMaxWindowBits: 12 }), null)
})

t.test('a server takes the first offer that it can take', async (t) => {
  const header = `x-other; a=1, ${NAME}; server_max_window_bits=9, ${NAME}; server_max_window_bits=12, ${NAME}`
  const response = answer(header, { ...AS_WS, serverMaxWindowBits: 10 })
  t.equal(response, `${NAME}; server_max_window_bits=10`)
  t.equal(answer('x-other; a="b", y', {}), null)
})

// RFC 6455, section 9.1, and RFC 7692, section 7.1.
const HEADERS = [
  '', ',', ';', 'a,', 'a, ,b', 'a;', 'a;b=', 'a=1', 'a;b=c=d', 'a b', 'a;b c', 'a;b =c', 'a;b= c', 'a;b="c', 'a;b=""', 'a;b="c d"', 'a;b="c"d',
  'a;b="\\"', 'a;b="\\ "', 'a;b="c\\', 'a;b="\\c\\d"', 'a;b=\u00e9', '\u00e9', 'a\t;\tb ,\tc', 'toString; __proto__=1',
  NAME.toUpperCase(), `${NAME}; server_max_window_bits="1\\0"`, `${NAME}; server_max_window_bits="\\1\\0"`, `${NAME};server_no_context_takeover`,
  `${NAME}; x`, `${NAME}; __proto__`, `${NAME}, ${NAME}; x`, `${NAME}; server_no_context_takeover=1`, `${NAME}; client_no_context_takeover=true`,
  `${NAME}; server_no_context_takeover; server_no_context_takeover`, `${NAME}; client_max_window_bits; client_max_window_bits=9`,
  `${NAME}; server_max_window_bits`, `${NAME}; server_max_window_bits=7`, `${NAME}; client_max_window_bits=16`, `${NAME}; client_max_window_bits=x`
]

t.test('a header is read as ws reads it', async (t) => {
  for (const header of HEADERS) t.equal(answer(header, AS_WS), wsAnswers(header, {}), header)
})

t.test('any header is read as ws reads it', async (t) => {
  const pieces = [NAME, NAME, 'server_max_window_bits', 'client_no_context_takeover', '=', '="', '"', '\\', '10', ';', '; ', ',', ', ', ' ', '\t', 'x', '@']
  let seed = 1
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below
  let valid = 0
  for (let i = 0; i < 20_000; i++) {
    const header = Array.from({ length: 1 + random(8) }, () => pieces[random(pieces.length)]).join('').trim()
    const theirs = wsAnswers(header, {})
    const ours = answer(header, AS_WS)
    if (theirs !== 'invalid') valid++
    if (sorted(ours) !== sorted(theirs)) t.equal(ours, theirs, header)
  }
  t.ok(valid > 500, `${valid} valid headers`)
})

t.test('a size is a decimal integer without leading zeros', async (t) => {
  for (const value of ['010', '0xf', '1e1', '9.0', '+9']) {
    t.throws(() => acceptOffer(`${NAME}; server_max_window_bits=${value}`, {}), { message: INVALID, cause: { message: `a window of ${value} bits is not from 8 to 15` } })
  }
})

t.test('a long header is read in linear time', async (t) => {
  const time = (length: number): number => {
    const started = process.hrtime.bigint()
    for (const piece of ['a', ' ', 'a ', 'a;b="', '\\a', 'a,', 'a=']) answer(piece.repeat(length), {})
    return Number(process.hrtime.bigint() - started)
  }
  time(1000)
  t.ok(time(16_000) < 1e9)
})

t.test('a client offers what ws offers', async (t) => {
  const values = { ...OPTIONS, clientNoContextTakeover: [true, false], clientMaxWindowBits: [true, false, undefined, 8, 15] }
  for (const options of combinations(values)) {
    t.equal(offerOf(options), format({ [NAME]: new PerMessageDeflate(options).offer() }), JSON.stringify(options))
  }
})

/** What ws takes from a response as a client, in the form of an agreement. */
function wsReads (parameters: object, options: DeflateOptions): object | null {
  try {
    const found = new PerMessageDeflate(options).accept(parse(format({ [NAME]: parameters }))[NAME])
    return {
      serverNoContextTakeover: found.server_no_context_takeover ?? false,
      clientNoContextTakeover: found.client_no_context_takeover ?? false,
      serverMaxWindowBits: found.server_max_window_bits ?? 15,
      clientMaxWindowBits: found.client_max_window_bits ?? 15
    }
  } catch {
    return null
  }
}

t.test('a client takes the responses that ws takes', async (t) => {
  let count = 0
  for (const parameters of combinations(PARAMETERS)) {
    for (const options of combinations({ clientNoContextTakeover: [true, false], clientMaxWindowBits: [true, false, 8, 12] })) {
      const response = format({ [NAME]: parameters })
      const expected = wsReads(parameters, options)
      if (expected === null) t.throws(() => readResponse(response, options), { message: 'Invalid Sec-WebSocket-Extensions header' }, response)
      else t.same(readResponse(response, options), expected, response)
      count++
    }
  }
  t.ok(count > 1000, `${count} combinations`)
})

t.test('a client refuses other responses', async (t) => {
  const unasked = { message: 'Server indicated an extension that was not requested' }
  t.throws(() => readResponse('x-other', {}), unasked)
  t.throws(() => readResponse(`${NAME}, x-other`, {}), unasked)
  for (const header of ['', `${NAME};`, `${NAME}; x`, `${NAME}, ${NAME}; x`]) {
    t.throws(() => readResponse(header, {}), { message: 'Invalid Sec-WebSocket-Extensions header' }, header)
  }
})

t.test('a response without the header agrees on nothing', async (t) => {
  t.equal(readResponse(undefined, {}), null)
})
