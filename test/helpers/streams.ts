import { randomFillSync } from 'node:crypto'
import { encode } from '../conformance/frame'
import { BINARY, CLOSE, closePayload, CONTINUATION, PING, PONG, TEXT } from './frames'
import { deflate } from './random-frames'
import type { Frame } from '../conformance/case'

/* Streams of frames that a peer may send or may not send. */

/** In bytes: `streams` have messages around this length, and `compressedStreams` around the other. */
export const MAX_PAYLOAD = 70_000
export const MAX_CONTENT = 200_000

/** Makes a frame. */
export type Make = (opcode: number, payload?: string | Buffer, bits?: Partial<Frame>) => Buffer

/** Returns what makes the frames that a server or a client receives. */
export const makeFor = (isServer: boolean): Make => (opcode, payload = '', bits = {}) => {
  return encode({ opcode, payload: Buffer.from(payload), ...(isServer ? {} : { mask: null }), ...bits })
}

const open: Partial<Frame> = { fin: false }
export const RSV1: Partial<Frame> = { rsv: 4 }
const euro = Buffer.from('€')
const smile = Buffer.from('😀')

/** Each makes the frames of a stream, for a parser without compression. */
export const streams: Record<string, (make: Make, isServer: boolean) => Buffer[]> = {
  ...Object.fromEntries([0, 1, 2, 125, 126, 127, 65_535, 65_536, MAX_PAYLOAD, MAX_PAYLOAD + 1].flatMap((length) => [
    [`a text of ${length} bytes`, (make: Make) => [make(TEXT, 'x'.repeat(length))]],
    [`${length} bytes`, (make: Make) => [make(BINARY, Buffer.alloc(length, 0xfe))]]
  ])),
  ...Object.fromEntries(([2, 8] as const).flatMap((lengthBytes) => [0, 1, 125, 126].map((length) => [
    `a length of ${length} in ${lengthBytes} bytes`, (make: Make) => [make(TEXT, 'x'.repeat(length), { lengthBytes })]
  ]))),
  ...Object.fromEntries([2n ** 31n, 2n ** 32n + 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n].flatMap((length) => [
    [`a length of ${length}`, (make: Make) => [make(BINARY, 'abc', { length })]],
    [`a fragment that is announced with ${length} bytes`, (make: Make) => [make(TEXT, 'a', open), make(CONTINUATION, 'abc', { length })]]
  ])),
  ...Object.fromEntries(Array.from({ length: 16 }, (_, opcode) => [
    [`opcode ${opcode}`, (make: Make) => [make(opcode, closePayload(1000))]],
    [`opcode ${opcode} in a message`, (make: Make) => [make(TEXT, 'a', open), make(opcode, closePayload(1000)), make(CONTINUATION, 'b')]],
    [`opcode ${opcode} without FIN`, (make: Make) => [make(opcode, closePayload(1000), open), make(CONTINUATION, 'b')]],
    [`opcode ${opcode} with a wrong mask`, (make: Make, isServer: boolean) => [make(opcode, closePayload(1000), { mask: isServer ? null : [1, 2, 3, 4] })]]
  ] as const).flat()),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7].flatMap((rsv) => [TEXT, CONTINUATION, PING, CLOSE, 3].map((opcode) => [
    `reserved bits ${rsv} of opcode ${opcode}`, (make: Make) => [make(opcode, '', { rsv })]
  ]))),
  ...Object.fromEntries([0, 1, 124, 125, 126, 127].flatMap((length) => [PING, PONG, CLOSE].map((opcode) => [
    `opcode ${opcode} with ${length} bytes`, (make: Make) => [make(opcode, Buffer.alloc(length, 3 * 0x10 + 3))]
  ]))),
  ...Object.fromEntries([0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65_535].map((code) => [
    `a close with ${code}`, (make: Make) => [make(CLOSE, closePayload(code, 'Grüße'))]
  ])),
  'a reason that is not UTF-8': (make) => [make(CLOSE, closePayload(1000, smile.subarray(1)))],
  'a close with a wrong code and a reason that is not UTF-8': (make) => [make(CLOSE, closePayload(1005, smile.subarray(1)))],
  'the longest reason': (make) => [make(CLOSE, closePayload(1000, 'x'.repeat(123)))],
  'a letter, behind whose first byte is what looks like an empty text': (make, isServer) => [make(TEXT, 'a', isServer ? { mask: [0x80, 1, 2, 3] } : {})],
  'a mask of zeros': (make, isServer) => [make(TEXT, 'a', isServer ? { mask: [0, 0, 0, 0] } : {})],
  'a text that is not UTF-8': (make) => [make(TEXT, Buffer.from([0xff]))],
  'a text that ends within a character': (make) => [make(TEXT, euro.subarray(0, 2))],
  'half of a surrogate pair': (make) => [make(TEXT, Buffer.from([0xed, 0xa0, 0x80]))],
  'a character in two fragments': (make) => [make(TEXT, euro.subarray(0, 1), open), make(CONTINUATION, euro.subarray(1))],
  'half of a character, then another one': (make) => [make(TEXT, smile.subarray(0, 2), open), make(CONTINUATION, euro)],
  'a wrong byte in the first of two fragments': (make) => [make(TEXT, Buffer.from([0xff]), open), make(CONTINUATION, 'a')],
  'control frames between fragments': (make) => [make(BINARY, smile, open), make(PING, 'p'), make(CONTINUATION, euro, open), make(PONG), make(CONTINUATION, smile)],
  'a close between fragments': (make) => [make(BINARY, smile, open), make(CLOSE, closePayload(1001)), make(CONTINUATION, euro)],
  'a violation between fragments': (make) => [make(BINARY, smile, open), make(PING, 'x'.repeat(126)), make(CONTINUATION, euro)],
  'empty fragments': (make) => [make(TEXT, '', open), make(CONTINUATION, '', open), make(PING, 'p'), make(CONTINUATION)],
  'empty fragments around a text': (make) => [make(TEXT, '', open), make(CONTINUATION, 'text', open), make(CONTINUATION, '', open), make(CONTINUATION)],
  'two messages in fragments': (make) => ['one', 'two'].flatMap((text) => [make(TEXT, text, open), make(CONTINUATION, text)]),
  'fragments of the longest message': (make) => [make(BINARY, Buffer.alloc(35_000, 1), open), make(CONTINUATION, Buffer.alloc(MAX_PAYLOAD - 35_000, 2))],
  'fragments of one byte too many': (make) => [make(BINARY, Buffer.alloc(35_000, 1), open), make(CONTINUATION, Buffer.alloc(MAX_PAYLOAD - 34_999, 2))],
  'fragments of the longest message, and one byte': (make) => [make(BINARY, Buffer.alloc(MAX_PAYLOAD), open), make(CONTINUATION, '', open), make(CONTINUATION, 'a')],
  'as many fragments as a message may have': (make) => fragments(make, 16_384),
  'one fragment too many': (make) => fragments(make, 16_385),
  'one fragment too many, of which only the beginning is there': (make) => fragments(make, 16_384, open).concat(make(CONTINUATION, 'abc').subarray(0, -1)),
  'too many fragments of a text that is not UTF-8': (make) => [make(TEXT, Buffer.from([0xff]), open), ...fragments(make, 16_385).slice(1)]
}

function fragments (make: Make, count: number, last?: Partial<Frame>): Buffer[] {
  return Array.from({ length: count }, (_, i) => make(i === 0 ? BINARY : CONTINUATION, i % 1000 === 0 ? 'a' : '', i === count - 1 ? last : open))
}

/** A content that is long when it is compressed, too. */
export const LONG = randomFillSync(Buffer.alloc(100_000))
export const TEXT_CONTENT = Buffer.from('Grüße, '.repeat(20))

/** The same for a parser with compression, of which each message is by itself. */
export const compressedStreams: Record<string, (make: Make) => Buffer[]> = {
  'an empty message': (make) => [make(TEXT, deflate(Buffer.alloc(0)), RSV1)],
  'a text that is not UTF-8': (make) => [make(TEXT, deflate(Buffer.from([0xff])), RSV1)],
  'a text in two fragments': (make) => [make(TEXT, deflate(TEXT_CONTENT).subarray(0, 9), { ...RSV1, fin: false }), make(PING, 'p'), make(CONTINUATION, deflate(TEXT_CONTENT).subarray(9))],
  'a compressed continuation': (make) => [make(TEXT, deflate(TEXT_CONTENT), { ...RSV1, fin: false }), make(CONTINUATION, '', RSV1)],
  'a compressed ping': (make) => [make(PING, deflate(TEXT_CONTENT), RSV1)],
  'what cannot be decompressed': (make) => [make(BINARY, Buffer.alloc(20, 0xff), RSV1)],
  'a long message that cannot be decompressed': (make) => [make(BINARY, Buffer.alloc(100_000, 0xff), RSV1)],
  'a content of more than maxPayload': (make) => [make(BINARY, deflate(Buffer.alloc(300_000)), RSV1)],
  'a long message of more than maxPayload': (make) => [make(BINARY, deflate(Buffer.concat([LONG, Buffer.alloc(MAX_CONTENT)])), RSV1)],
  'as much as maxPayload': (make) => [make(BINARY, deflate(Buffer.alloc(MAX_CONTENT)), RSV1)],
  'compressed bytes of more than maxPayload': (make) => [make(BINARY, Buffer.alloc(MAX_CONTENT + 1), RSV1)],
  'a long message': (make) => [make(BINARY, deflate(LONG), RSV1)],
  'a long message in fragments': (make) => [make(BINARY, deflate(LONG).subarray(0, 50_000), { ...RSV1, fin: false }), make(PONG), make(CONTINUATION, deflate(LONG).subarray(50_000))],
  'a long text that is not UTF-8': (make) => [make(TEXT, deflate(LONG), RSV1)],
  'two long messages, then a text': (make) => [make(BINARY, deflate(LONG), RSV1), make(BINARY, deflate(LONG), RSV1), make(TEXT, deflate(TEXT_CONTENT), RSV1)],
  'a text between two long messages': (make) => [make(BINARY, deflate(LONG), RSV1), make(TEXT, 'text'), make(BINARY, deflate(LONG), RSV1)],
  'a long message, then a close': (make) => [make(BINARY, deflate(LONG), RSV1), make(CLOSE, closePayload(1001))],
  'a long message, then a violation': (make) => [make(BINARY, deflate(LONG), RSV1), make(3)]
}
