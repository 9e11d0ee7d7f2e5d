import { CONTINUATION, continuation, fragments, frame, octets, ping, pong, TEXT, text, type Case, type Chop, type Frame } from '../case'

const failed = { receive: [], close: [1002] }
const open = { fin: false }
const two = [text('fragment1', open), continuation('fragment2')]
const whole = text('fragment1fragment2')

/** One case for each of three ways to split the same bytes. */
function chopped (first: number, title: string, rest: Omit<Case, 'id' | 'title' | 'chop'>): Case[] {
  const ways: [Chop, string][] = [['whole', 'at once'], ['frames', 'frame by frame'], [1, 'octet by octet']]
  return ways.map(([chop, way], n) => ({ id: `5.${first + n}`, title: `${title}, ${way}`, chop, ...rest }))
}

function nothingToContinue (fin: boolean): Frame[] {
  return [continuation('fragment1', { fin }), text('fragment2', open), continuation('fragment3')]
}

const five = ['fragment1', 'fragment2', 'fragment3', 'fragment4', 'fragment5']
const pinged: Omit<Case, 'id' | 'title'> = {
  send: [
    text(five[0], open), continuation(five[1], open), ping('pongme 1!'),
    { received: 1 },
    continuation(five[2], open), continuation(five[3], open), ping('pongme 2!'), continuation(five[4])
  ],
  receive: [pong('pongme 1!'), pong('pongme 2!'), text(five.join(''))]
}

export const fragmentation = {
  id: '5',
  title: 'Fragmentation',
  cases: [
    { id: '5.1', title: 'a ping in 2 fragments', send: [ping('fragment1', open), continuation('fragment2')], ...failed },
    { id: '5.2', title: 'a pong in 2 fragments', send: [pong('fragment1', open), continuation('fragment2')], ...failed },
    ...chopped(3, 'a text in 2 fragments', { send: two, receive: [whole] }),
    ...chopped(6, 'a ping between 2 fragments', { send: [two[0], ping('ping payload'), two[1]], receive: [pong('ping payload'), whole] }),
    ...chopped(9, 'a last continuation of nothing, then a text', { send: [continuation('non-continuation payload'), text('Hello, world!')], ...failed }),
    ...chopped(12, 'a first continuation of nothing, then a text', { send: [continuation('non-continuation payload', open), text('Hello, world!')], ...failed }),
    {
      id: '5.15',
      title: 'a text in 2 fragments, then a continuation of nothing, then a text',
      send: [...two, continuation('fragment3', open), text('fragment4')],
      receive: [whole],
      close: [1002]
    },
    { id: '5.16', title: 'twice: a first continuation of nothing, then a text in 2 fragments', send: [...nothingToContinue(false), ...nothingToContinue(false)], ...failed },
    { id: '5.17', title: 'twice: a last continuation of nothing, then a text in 2 fragments', send: [...nothingToContinue(true), ...nothingToContinue(true)], ...failed },
    { id: '5.18', title: 'a text in 2 fragments, both with the opcode of a text', send: [text('fragment1', open), text('fragment2')], ...failed },
    { id: '5.19', title: 'a text in 5 fragments, with 2 pings between', ...pinged, chop: 'whole' },
    { id: '5.20', title: 'the same, frame by frame', ...pinged, chop: 'frames' },
    { id: '5.21+1', title: 'a close frame in 2 fragments', send: [frame(8, Buffer.from([3, 232]), open), continuation('')], ...failed },
    { id: '5.21+2', title: 'a binary message before a text has ended', send: [text('fragment1', open), frame(2, 'fragment2')], ...failed },
    {
      id: '5.21+3',
      title: 'a text in 1,000 empty fragments',
      send: [text('', open), ...Array.from({ length: 998 }, () => continuation('', open)), continuation('')],
      receive: [text('')],
      chop: 'whole'
    },
    {
      id: '5.21+4',
      title: 'a ping after each of 50 fragments',
      send: Array.from({ length: 50 }, (_, n) => [frame(n === 0 ? TEXT : CONTINUATION, `${n % 10}`, { fin: n === 49 }), ping(`${n}`)]).flat(),
      receive: [...Array.from({ length: 49 }, (_, n) => pong(`${n}`)), text('0123456789'.repeat(5)), pong('49')],
      nonStrict: {
        why: 'RFC 6455, section 5.5.2, asks for a pong as soon as is practical: it may overtake an answer to what came before the ping',
        outcomes: [{ receive: [...Array.from({ length: 50 }, (_, n) => pong(`${n}`)), text('0123456789'.repeat(5))] }]
      }
    }
  ] satisfies Case[]
}

const message = text(octets(65536, '*'))

export const autoFragmentation = {
  id: '10',
  title: 'Auto-fragmentation',
  cases: [
    { id: '10.1.1', title: 'a text of 65,536 octets in fragments of 1,300', send: fragments(TEXT, message.payload, 1300), receive: [message], chop: 'whole' }
  ] satisfies Case[]
}
