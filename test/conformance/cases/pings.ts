import { binary, close, octets, ping, pong, text, type Case } from '../case'

const notUtf8 = Buffer.from('00fffefdfcfb00ff', 'hex')
const ten = Array.from({ length: 10 }, (_, n) => `payload-${n}`)

export const pings = {
  id: '2',
  title: 'Pings and pongs',
  cases: [
    { id: '2.1', title: 'a ping without payload', send: [ping()], receive: [pong()] },
    { id: '2.2', title: 'a ping with a text', send: [ping('Hello, world!')], receive: [pong('Hello, world!')] },
    { id: '2.3', title: 'a ping with octets that are not UTF-8', send: [ping(notUtf8)], receive: [pong(notUtf8)] },
    { id: '2.4', title: 'a ping with 125 octets', send: [ping(octets(125))], receive: [pong(octets(125))], chop: 'whole' },
    { id: '2.5', title: 'a ping with 126 octets', send: [ping(octets(126))], receive: [], close: [1002] },
    { id: '2.6', title: 'a ping with 125 octets, octet by octet', send: [ping(octets(125))], receive: [pong(octets(125))], chop: 1 },
    { id: '2.7', title: 'a pong that nobody asked for', send: [pong(), close(1000)], receive: [], close: [1000] },
    { id: '2.8', title: 'a pong that nobody asked for, with a payload', send: [pong('unsolicited pong payload'), close(1000)], receive: [], close: [1000] },
    { id: '2.9', title: 'a pong that nobody asked for, then a ping', send: [pong('unsolicited pong payload'), ping('ping payload')], receive: [pong('ping payload')] },
    { id: '2.10', title: '10 pings', send: ten.map((n) => ping(n)), receive: ten.map((n) => pong(n)), chop: 'whole' },
    { id: '2.11', title: '10 pings, octet by octet', send: ten.map((n) => ping(n)), receive: ten.map((n) => pong(n)), chop: 1 },
    { id: '2.12+1', title: 'a pong with 126 octets', send: [pong(octets(126))], receive: [], close: [1002] },
    {
      id: '2.12+2',
      title: 'a ping between two messages',
      send: [text('one'), { received: 1 }, ping('ping'), { received: 2 }, binary('two')],
      receive: [text('one'), pong('ping'), binary('two')]
    }
  ] satisfies Case[]
}
