import { BINARY, binary, fragments, octets, text, TEXT, type Case, type Chop, type Frame, type Step } from '../case'

const KIB = 1024
const MIB = 1024 * KIB
const server = { maxPayload: 16 * MIB }

const SIZES = [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB]
const FRAGMENTS = [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB]
const CHOPS = [64, 128, 256, 512, KIB, 2 * KIB]
const ROUND_TRIPS = [0, 16, 64, 256, KIB, 4 * KIB]

/** Autobahn sends 1,000, to measure the time. These cases do not measure the time. */
const COUNT = 100

const kinds = [
  { name: 'text', opcode: TEXT, make: (length: number): Frame => text(octets(length, 'BAsd7&jh23')) },
  { name: 'binary message', opcode: BINARY, make: (length: number): Frame => binary(octets(length, 0xfe)) }
]

function echo (id: string, title: string, message: Frame, send: readonly Step[] = [message], chop: Chop = 'whole'): Case {
  return { id, title, send, receive: [message], chop, server }
}

const sized = kinds.flatMap(({ name, make }, kind) => SIZES.map((size, n) =>
  echo(`9.${kind + 1}.${n + 1}`, `a ${name} of ${size / KIB} KiB`, make(size))))

/** The largest number of fragments of one message that the plugin accepts with this `maxPayload`. */
const MAX_FRAGMENTS = server.maxPayload / KIB
const TOO_MANY = {
  why: `RFC 6455, section 10.4, allows a limit: here ${MAX_FRAGMENTS} fragments. Autobahn has no such result, and would count the case as failed`,
  outcomes: [{ receive: [], close: [1008] }]
}

const fragmented = kinds.flatMap(({ name, opcode, make }, kind) => {
  const message = make(4 * MIB)
  const cases = FRAGMENTS.map((size, n): Case => ({
    ...echo(`9.${kind + 3}.${n + 1}`, `a ${name} of 4 MiB in fragments of ${size}`, message, fragments(opcode, message.payload, size)),
    nonStrict: 4 * MIB / size > MAX_FRAGMENTS ? TOO_MANY : undefined
  }))
  const smaller = make(MIB)
  return [...cases, echo(`9.${kind + 3}+1`, `a ${name} of 1 MiB in fragments of 64`, smaller, fragments(opcode, smaller.payload, 64))]
})

const chopped = kinds.flatMap(({ name, make }, kind) => {
  const message = make(MIB)
  return CHOPS.map((size, n) => echo(`9.${kind + 5}.${n + 1}`, `a ${name} of 1 MiB, ${size} octets at a time`, message, [message], size))
})

const roundTrips = kinds.flatMap(({ name, make }, kind) => ROUND_TRIPS.map((size, n): Case => {
  const message = make(size)
  return {
    id: `9.${kind + 7}.${n + 1}`,
    title: `a ${name} of ${size} octets, there and back ${COUNT} times`,
    send: Array.from({ length: COUNT }, (_, m): Step[] => [message, { received: m + 1 }]).flat(),
    receive: Array(COUNT).fill(message),
    chop: 'whole'
  }
}))

/** The plugin's default. */
const MAX = MIB
const tooLarge = { receive: [], close: [1009] }

export const limits = {
  id: '9',
  title: 'Limits',
  cases: [
    ...sized,
    ...fragmented,
    ...chopped,
    ...roundTrips,
    { id: '9.10+1', title: 'a message of maxPayload', send: [binary(octets(MAX))], receive: [binary(octets(MAX))], chop: 'whole' },
    { id: '9.10+2', title: 'a message of maxPayload and 1 octet', send: [binary(octets(MAX + 1))], ...tooLarge, chop: 'whole' },
    { id: '9.10+3', title: 'fragments of maxPayload and 1 octet together', send: fragments(BINARY, octets(MAX + 1), 64 * KIB), ...tooLarge, chop: 'whole' },
    { id: '9.10+4', title: 'the header of a message that is too large', send: [{ ...binary(), length: BigInt(MAX) + 1n }], ...tooLarge },
    { id: '9.10+5', title: 'the header of a message of 2 ** 53 octets', send: [{ ...binary(), length: 2n ** 53n }], ...tooLarge },
    { id: '9.10+6', title: 'the header of a message of 2 ** 63 - 1 octets', send: [{ ...binary(), length: 2n ** 63n - 1n }], ...tooLarge }
  ] satisfies Case[]
}
