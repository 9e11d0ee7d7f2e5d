import { binary, octets, text, type Case, type Chop } from '../case'

const LENGTHS: [length: number, chop?: Chop][] = [[0], [125], [126], [127], [128], [65535, 'whole'], [65536, 'whole'], [65536, 997]]

const texts = LENGTHS.map(([length, chop], n): Case => {
  const message = text(octets(length, '*'))
  return { id: `1.1.${n + 1}`, title: `a text of ${length} octets`, send: [message], receive: [message], chop }
})

const binaries = LENGTHS.map(([length, chop], n): Case => {
  const message = binary(octets(length))
  return { id: `1.2.${n + 1}`, title: `a binary message of ${length} octets`, send: [message], receive: [message], chop }
})

const hello = text('Hello, world!')
const long = binary(octets(300))
const SENDER = 'RFC 6455, section 5.2, asks for the shortest form of whoever sends; what a receiver does is left open'

export const framing = {
  id: '1',
  title: 'Framing',
  cases: [
    ...texts,
    ...binaries,
    {
      id: '1.3+1',
      title: 'a length of 13 in 2 bytes',
      send: [{ ...hello, lengthBytes: 2 }],
      receive: [],
      close: [1002],
      nonStrict: { why: SENDER, outcomes: [{ receive: [hello] }] }
    },
    {
      id: '1.3+2',
      title: 'a length of 300 in 8 bytes',
      send: [{ ...long, lengthBytes: 8 }],
      receive: [],
      close: [1002],
      nonStrict: { why: SENDER, outcomes: [{ receive: [long] }] }
    },
    {
      id: '1.3+3',
      title: 'a length in 8 bytes of which the first bit is set',
      send: [{ ...hello, length: 2n ** 63n + 13n, lengthBytes: 8 }],
      receive: [],
      close: [1002, 1009]
    },
    {
      id: '1.4+1',
      title: 'many messages at once',
      send: Array.from({ length: 100 }, (_, n) => text(`message ${n}`)),
      receive: Array.from({ length: 100 }, (_, n) => text(`message ${n}`))
    }
  ] satisfies Case[]
}
