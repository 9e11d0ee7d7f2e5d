import { binary, BINARY, close, continuation, CONTINUATION, frame, PING, ping, pong, text, TEXT, type Case, type Chop, type Frame } from '../case'

const hello = text('Hello, world!')
const failed = { receive: [], close: [1002] }

/** A valid message, an invalid one, and a ping, which the server does not answer any more. */
function afterHello (id: string, title: string, wrong: Frame, chop?: Chop): Case {
  return {
    id,
    title: `a message, then ${title}, then a ping`,
    send: [hello, wrong, ping()],
    receive: [hello],
    close: [1002],
    chop
  }
}

export const reservedBits = {
  id: '3',
  title: 'Reserved bits',
  cases: [
    { id: '3.1', title: 'a text with RSV3', send: [text('Hello, world!', { rsv: 1 })], ...failed },
    afterHello('3.2', 'one with RSV2', { ...hello, rsv: 2 }, 'whole'),
    afterHello('3.3', 'one with RSV2 and RSV3', { ...hello, rsv: 3 }, 'frames'),
    afterHello('3.4', 'one with RSV1', { ...hello, rsv: 4 }, 1),
    { id: '3.5', title: 'a binary message with RSV1 and RSV3', send: [binary('\0\xff\xfe\xfd\xfc\xfb\0\xff', { rsv: 5 })], ...failed },
    { id: '3.6', title: 'a ping with RSV1 and RSV2', send: [ping('Hello, world!', { rsv: 6 })], ...failed },
    { id: '3.7', title: 'a close frame with all reserved bits', send: [close(undefined, '', { rsv: 7 })], ...failed },
    ...[1, 2, 4].flatMap((rsv): Case[] => [
      { id: `3.8+${rsv}`, title: `a pong with the reserved bits ${rsv}`, send: [pong('', { rsv })], ...failed },
      { id: `3.9+${rsv}`, title: `a continuation with the reserved bits ${rsv}`, send: [text('a', { fin: false }), continuation('b', { rsv })], ...failed }
    ])
  ] satisfies Case[]
}

export const opcodes = {
  id: '4',
  title: 'Opcodes',
  cases: [
    { id: '4.1.1', title: 'opcode 3', send: [frame(3)], ...failed },
    { id: '4.1.2', title: 'opcode 4, with a payload', send: [frame(4, 'reserved opcode payload')], ...failed },
    afterHello('4.1.3', 'opcode 5', frame(5)),
    afterHello('4.1.4', 'opcode 6, with a payload', frame(6, 'Hello, world!')),
    afterHello('4.1.5', 'opcode 7, with a payload', frame(7, 'Hello, world!'), 1),
    { id: '4.2.1', title: 'opcode 11', send: [frame(11)], ...failed },
    { id: '4.2.2', title: 'opcode 12, with a payload', send: [frame(12, 'reserved opcode payload')], ...failed },
    afterHello('4.2.3', 'opcode 13', frame(13)),
    afterHello('4.2.4', 'opcode 14, with a payload', frame(14, 'Hello, world!')),
    afterHello('4.2.5', 'opcode 15, with a payload', frame(15, 'Hello, world!'), 1)
  ] satisfies Case[]
}

const UNMASKED: [name: string, frames: Frame[]][] = [
  ['a text', [text('Hello, world!', { mask: null })]],
  ['an empty text', [text('', { mask: null })]],
  ['a binary message', [binary('\0\x01', { mask: null })]],
  ['a ping', [ping('ping', { mask: null })]],
  ['a pong', [pong('', { mask: null })]],
  ['a close frame', [close(1000, '', { mask: null })]],
  ['a continuation after a masked beginning', [text('a', { fin: false }), continuation('b', { mask: null })]]
]

const MASKS = [[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 1], [0x80, 0, 0, 0], [1, 2, 3, 4]]
const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 47, 48, 49, 63, 64, 65, 125, 126, 127]
const counting = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, n) => n))

/** RFC 6455, section 5.1: a server closes the connection when a frame is not masked, and may send a close frame with 1002. */
export const masking = {
  id: 'M+',
  title: 'Masking (not in Autobahn)',
  cases: [
    ...UNMASKED.map(([name, send], n): Case => ({ id: `M+1.${n + 1}`, title: `${name} that is not masked`, send, ...failed })),
    ...MASKS.map((mask, n): Case => {
      const messages = LENGTHS.map((length) => binary(counting(length)))
      return {
        id: `M+2.${n + 1}`,
        title: `messages of ${LENGTHS.length} lengths masked with ${Buffer.from(mask).toString('hex')}`,
        send: messages.map((message) => ({ ...message, mask })),
        receive: messages,
        chop: 'whole'
      }
    }),
    {
      id: 'M+3',
      title: 'each frame of a message with a mask of its own',
      send: MASKS.map((mask, n) => frame(n === 0 ? TEXT : CONTINUATION, `fragment ${n}`, { mask, fin: n === MASKS.length - 1 })),
      receive: [text('fragment 0fragment 1fragment 2fragment 3fragment 4')]
    },
    {
      id: 'M+4',
      title: 'a control frame with another mask than the message around it',
      send: [frame(BINARY, 'a', { fin: false, mask: MASKS[1] }), frame(PING, 'ping', { mask: MASKS[4] }), frame(CONTINUATION, 'b', { mask: MASKS[3] })],
      receive: [pong('ping'), binary('ab')]
    }
  ] satisfies Case[]
}
