import { BINARY, continuation, frame, octets, ping, pong, TEXT, text, binary, type Case, type Group, type Message, type Step } from '../case'
import { html, json, noise, picture, prose } from '../payloads'

const RSV1 = { rsv: 4 }
const PLAIN = 'permessage-deflate'
const CLIENT_NO_TAKEOVER = '; client_no_context_takeover'
const OFFER = `${PLAIN}${CLIENT_NO_TAKEOVER}; client_max_window_bits`

/** The length of a message, and of its fragments. */
const SIZES: [length: number, fragment?: number][] = [
  [16], [64], [256], [1024], [4096], [8192], [16384], [32768], [65536], [131072],
  [8192, 256], [16384, 256], [32768, 256], [65536, 256], [131072, 256], [131072, 1024], [131072, 4096], [131072, 32768]
]

/** Autobahn sends 1,000 messages in each case. This number is enough to test context takeover. */
const countOf = (length: number): number => length <= 4096 ? 10 : 3

interface Data { name: string, opcode: number, bytes: Buffer }

const JSON_DATA: Data = { name: 'JSON', opcode: TEXT, bytes: json }
const DATA: Data[] = [
  JSON_DATA,
  { name: 'a picture', opcode: BINARY, bytes: picture },
  { name: 'prose', opcode: BINARY, bytes: prose },
  { name: 'HTML', opcode: TEXT, bytes: html },
  { name: 'noise', opcode: BINARY, bytes: noise }
]

/** The answer to a client that offers a parameter of its own: the server asks it to take over no context. */
function answer (parameters = ''): string {
  return parameters.includes(CLIENT_NO_TAKEOVER) ? `${PLAIN}${parameters}` : `${PLAIN}${CLIENT_NO_TAKEOVER}${parameters}`
}

type Negotiated = Pick<Case, 'offer' | 'server' | 'extensions'>

/** Messages of one size. The client sends each message when the one before has come back. */
function echoes (id: string, what: string, { opcode, bytes }: Data, length: number, fragment: number | undefined, negotiated: Negotiated): Case {
  const messages = Array.from({ length: countOf(length) }, (_, n): Message => {
    const start = (n * length) % (bytes.length - length)
    return { opcode, payload: bytes.subarray(start, start + length), compressed: true, fragment }
  })
  return {
    id,
    title: `${messages.length} messages of ${length} octets${fragment === undefined ? '' : ` in fragments of ${fragment}`}: ${what}`,
    send: messages.flatMap((message, n): Step[] => [message, { received: n + 1 }]),
    receive: messages,
    chop: 'whole',
    ...negotiated
  }
}

function allSizes (id: string, what: string, data: Data, negotiated: Negotiated): Case[] {
  return SIZES.map(([length, fragment], n) => echoes(`${id}.${n + 1}`, what, data, length, fragment, negotiated))
}

const on = { perMessageDeflate: { threshold: 0 } }

const accepted = (parameters = ''): Negotiated => ({
  offer: `${OFFER}${parameters}`,
  server: on,
  extensions: answer(parameters)
})

export const compression: Group = {
  id: '12',
  title: 'Compression: payloads',
  cases: DATA.flatMap((data, n) => allSizes(`12.${n + 1}`, data.name, data, accepted()))
}

const PARAMETERS = [
  '',
  '; server_no_context_takeover',
  '; server_max_window_bits=9',
  '; server_max_window_bits=15',
  '; server_no_context_takeover; server_max_window_bits=9',
  '; server_no_context_takeover; server_max_window_bits=15'
]

const BITS = [8, 9, 10, 11, 12, 13, 14, 15]
const NO_TAKEOVER = [
  ['', ''],
  ['; client_no_context_takeover', ' without client context'],
  ['; server_no_context_takeover', ' without server context'],
  ['; client_no_context_takeover; server_no_context_takeover', ' without any context']
]

/** Every window size of either side with every takeover: the client's offer, and the server's options. */
const windows = NO_TAKEOVER.flatMap(([takeover, without], n) => BITS.flatMap((bits): Case[] => [
  echoes(`13.8+${n + 1}.${bits}`, `server window of ${bits} bits${without}`, JSON_DATA, 4096, undefined, {
    offer: `${PLAIN}; server_max_window_bits=${bits}${takeover}`,
    server: on,
    extensions: `${PLAIN}; server_max_window_bits=${bits}${takeover}`
  }),
  echoes(`13.9+${n + 1}.${bits}`, `client window of ${bits} bits${without}`, JSON_DATA, 4096, undefined, {
    offer: `${PLAIN}; client_max_window_bits${takeover}`,
    server: { perMessageDeflate: { threshold: 0, clientMaxWindowBits: bits } },
    extensions: answer(`; client_max_window_bits=${Math.max(bits, 9)}${takeover}`)
  })
]))

/** Parameters that the server may add by itself (RFC 7692, sections 7.1.1 and 7.1.2). */
const configured: [title: string, options: object, offer: string, extensions: string][] = [
  ['server context', { serverNoContextTakeover: true }, PLAIN, `${PLAIN}; server_no_context_takeover`],
  ['client context', { clientNoContextTakeover: true }, PLAIN, answer()],
  ['no context', { clientNoContextTakeover: false }, PLAIN, PLAIN],
  ['a smaller server window', { serverMaxWindowBits: 10 }, PLAIN, `${PLAIN}; server_max_window_bits=10`],
  ['an even smaller server window than offered', { serverMaxWindowBits: 9 }, `${PLAIN}; server_max_window_bits=12`, `${PLAIN}; server_max_window_bits=9`],
  ['a smaller client window than offered', { clientMaxWindowBits: 9 }, `${PLAIN}; client_max_window_bits=12`, answer('; client_max_window_bits=9')]
]

const hello = text('Hello')
const MAY_REFUSE = {
  why: 'RFC 6455, section 4.2.2, lets a server refuse any handshake; RFC 7692, section 5.1, only lets it decline the offer',
  outcomes: [{ receive: [], refusal: 400 }]
}

/** An offer that the server has to decline. The connection then has no compression (RFC 7692, section 7). */
function declined (id: string, title: string, parameters: string): Case {
  return { id, title, offer: `${PLAIN}; ${parameters}`, server: on, extensions: '', send: [hello], receive: [hello], chop: 'whole', nonStrict: MAY_REFUSE }
}

export const negotiation: Group = {
  id: '13',
  title: 'Compression: parameters',
  cases: [
    ...PARAMETERS.flatMap((parameters, n) => allSizes(`13.${n + 1}`, `offered${parameters || ' nothing more'}`, JSON_DATA, accepted(parameters))),
    ...allSizes('13.7', 'the first of 3 offers', JSON_DATA, {
      offer: [`${OFFER}; server_no_context_takeover; server_max_window_bits=9`, `${OFFER}; server_no_context_takeover`, OFFER].join(', '),
      server: on,
      extensions: answer('; server_no_context_takeover; server_max_window_bits=9')
    }),
    ...windows,
    ...configured.map(([title, options, offer, extensions], n) => echoes(`13.10+${n + 1}`, `the server gives up ${title}`, JSON_DATA, 4096, undefined, {
      offer,
      server: { perMessageDeflate: { threshold: 0, ...options } },
      extensions
    })),
    { id: '13.11+1', title: 'an offer to a server that does not compress', offer: OFFER, extensions: '', send: [hello], receive: [hello] },
    { id: '13.11+2', title: 'another extension only', offer: 'x-webkit-deflate-frame', server: on, extensions: '', send: [hello], receive: [hello] },
    { id: '13.11+3', title: 'another extension first', offer: `foo; bar="baz", ${PLAIN}`, server: on, extensions: PLAIN, send: [hello], receive: [hello] },
    declined('13.12+1', 'an unknown parameter', 'foo'),
    declined('13.12+2', 'a parameter twice', 'server_no_context_takeover; server_no_context_takeover'),
    declined('13.12+3', 'a window of 7 bits', 'server_max_window_bits=7'),
    declined('13.12+4', 'a window of 16 bits', 'client_max_window_bits=16'),
    declined('13.12+5', 'a window that is no number', 'server_max_window_bits=large'),
    declined('13.12+6', 'a server window without a value', 'server_max_window_bits'),
    declined('13.12+7', 'a value where none belongs', 'server_no_context_takeover=1'),
    {
      id: '13.12+8',
      title: 'an offer with an unknown parameter, and one without',
      offer: `${PLAIN}; foo, ${PLAIN}; server_max_window_bits=10`,
      server: on,
      extensions: `${PLAIN}; server_max_window_bits=10`,
      send: [hello],
      receive: [hello],
      chop: 'whole',
      nonStrict: MAY_REFUSE
    }
  ]
}

const hex = (digits: string): Buffer => Buffer.from(digits.replaceAll(' ', ''), 'hex')
const HELLO = hex('f2 48 cd c9 c9 07 00')
const failed = { receive: [], close: [1002] }
/** The server fails the connection. RFC 7692 does not say with which code. */
const unreadable = { receive: [], close: [1007, 1002] }

const messages: Case[] = [
  { id: 'D+1', title: 'one compressed block (7.2.3.1)', send: [text(HELLO, RSV1)], receive: [hello] },
  { id: 'D+2', title: 'the same in 2 fragments (7.2.3.1)', send: [text(HELLO.subarray(0, 3), { ...RSV1, fin: false }), continuation(HELLO.subarray(3))], receive: [hello] },
  { id: 'D+3', title: 'a message with the window of the one before (7.2.3.2)', send: [text(HELLO, RSV1), text(hex('f2 00 11 00 00'), RSV1)], receive: [hello, hello] },
  { id: 'D+4', title: 'a block without compression (7.2.3.3)', send: [text(hex('00 05 00 fa ff 48 65 6c 6c 6f 00'), RSV1)], receive: [hello] },
  { id: 'D+5', title: 'a block with BFINAL (7.2.3.4)', send: [text(hex('f3 48 cd c9 c9 07 00 00'), RSV1)], receive: [hello] },
  { id: 'D+6', title: 'messages after one with BFINAL', send: [text(hex('f3 48 cd c9 c9 07 00 00'), RSV1), { received: 1 }, text(HELLO, RSV1), text(HELLO, RSV1)], receive: [hello, hello, hello] },
  { id: 'D+7', title: 'two blocks (7.2.3.5)', send: [text(hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00'), RSV1)], receive: [hello] },
  { id: 'D+8', title: 'an empty message, compressed (7.2.3.6)', send: [text(hex('00'), RSV1), binary(hex('00'), RSV1)], receive: [text(), binary()] },
  { id: 'D+9', title: 'a message that is not compressed, between two that are', send: [text(HELLO, RSV1), hello, text(hex('f2 00 11 00 00'), RSV1)], receive: [hello, hello, hello] },
  { id: 'D+10', title: 'each octet of a message in a frame of its own', send: [...HELLO].map((octet, n) => frame(n === 0 ? TEXT : 0, Buffer.from([octet]), { rsv: n === 0 ? 4 : 0, fin: n === HELLO.length - 1 })), receive: [hello] },
  { id: 'D+11', title: 'a ping between 2 fragments', send: [text(HELLO.subarray(0, 3), { ...RSV1, fin: false }), ping('ping'), { received: 1 }, continuation(HELLO.subarray(3))], receive: [pong('ping'), hello] },
  { id: 'D+12', title: 'RSV1 on a continuation', send: [text(HELLO.subarray(0, 3), { ...RSV1, fin: false }), continuation(HELLO.subarray(3), RSV1)], ...failed },
  { id: 'D+13', title: 'RSV1 on a ping', send: [ping('ping', RSV1)], ...failed },
  { id: 'D+14', title: 'RSV1 on a close frame', send: [frame(8, hex('03 e8'), RSV1)], ...failed },
  { id: 'D+15', title: 'RSV2 on a compressed message', send: [text(HELLO, { rsv: 6 })], ...failed },
  { id: 'D+16', title: 'data that is not DEFLATE', send: [text(hex('ff ff ff ff'), RSV1)], ...unreadable },
  { id: 'D+17', title: 'a distance that is too far back', send: [text(hex('f2 00 11 00 00'), RSV1)], ...unreadable },
  { id: 'D+18', title: 'compressed octets that are not UTF-8', send: [{ opcode: TEXT, payload: hex('48 65 ff'), compressed: true }], receive: [], close: [1007] },
  { id: 'D+19', title: 'compressed fragments of text that are cut within characters', send: [{ opcode: TEXT, payload: Buffer.from('κόσμε 𤭢'), compressed: true, fragment: 1 }], receive: [text('κόσμε 𤭢')] },
  { id: 'D+20', title: 'a message that is larger than maxPayload when inflated', send: [{ opcode: BINARY, payload: octets(1024 * 1024 + 1), compressed: true }], receive: [], close: [1009] },
  { id: 'D+21', title: 'a message that is as large as maxPayload when inflated', send: [{ opcode: BINARY, payload: octets(1024 * 1024), compressed: true }], receive: [binary(octets(1024 * 1024))] }
]

/** The examples of RFC 7692, section 7.2.3, and invalid messages. */
export const deflate: Group = {
  id: 'D+',
  title: 'Compression: frames (not in Autobahn)',
  cases: messages.map((message): Case => ({ offer: PLAIN, server: { perMessageDeflate: { threshold: 0, clientNoContextTakeover: false } }, extensions: PLAIN, ...message }))
}
