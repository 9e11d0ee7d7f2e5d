import { close, continuation, frame, CLOSE, octets, ping, text, type Case } from '../case'

const hello = text('Hello World!')
const normally = { receive: [], close: [1000] }
const failed = { receive: [], close: [1002] }
const unsound = Buffer.from('cebae1bdb9cf83cebcceb5eda080656469746564', 'hex')
const long = text(octets(256 * 1024, 'BAsd7&jh23'))

const OVERTAKEN = 'Autobahn only reports it: a server may answer a close frame before the message that came before it'

/** The codes of RFC 6455, section 7.4, and of its registry. */
const VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
const INVALID = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]
const REGISTERED_LATER = [1012, 1013, 1014]
const INVALID_TOO = [1, 500, 1015, 1017, 1999, 5001, 10000, 65534]

const answered = (code: number): Omit<Case, 'id'> => ({ title: `code ${code}`, send: [close(code)], receive: [], close: [1000, code] })
const refused = (code: number): Omit<Case, 'id'> => ({ title: `code ${code}, which may not be sent`, send: [close(code)], ...failed })

export const closing = {
  id: '7',
  title: 'Close handling',
  cases: [
    { id: '7.1.1', title: 'a message, then a close frame', send: [hello, { received: 1 }, close(1000)], receive: [hello], close: [1000] },
    { id: '7.1.2', title: 'two close frames', send: [close(1000), close()], ...normally },
    { id: '7.1.3', title: 'a ping after a close frame', send: [close(1000), ping()], ...normally },
    { id: '7.1.4', title: 'a message after a close frame', send: [close(1000), hello], ...normally },
    { id: '7.1.5', title: 'a close frame between 2 fragments', send: [text('fragment1', { fin: false }), close(1000), continuation('fragment2')], ...normally },
    {
      id: '7.1.6',
      title: 'a message of 256 KiB, another, a close frame and a ping',
      send: [long, hello, close(1000), ping()],
      receive: [long, hello],
      close: [1000],
      chop: 'whole',
      nonStrict: { why: OVERTAKEN, outcomes: [{ receive: [long], close: [1000] }, normally] }
    },
    { id: '7.3.1', title: 'a close frame without a code', send: [close()], receive: [], close: [1005, 1000] },
    { id: '7.3.2', title: 'a close frame with half a code', send: [frame(CLOSE, 'a')], ...failed },
    { id: '7.3.3', title: 'a close frame with a code', send: [close(1000)], ...normally },
    { id: '7.3.4', title: 'a close frame with a code and a reason', send: [close(1000, 'Hello World!')], ...normally },
    { id: '7.3.5', title: 'a close frame with the longest reason', send: [close(1000, octets(123, '*'))], ...normally },
    { id: '7.3.6', title: 'a close frame with a reason that is too long', send: [close(1000, octets(124, '*'))], ...failed },
    { id: '7.5.1', title: 'a close frame with a reason that is not UTF-8', send: [close(1000, unsound)], receive: [], close: [1007, 1002] },
    ...VALID.map((code, n): Case => ({ id: `7.7.${n + 1}`, ...answered(code) })),
    ...INVALID.map((code, n): Case => ({ id: `7.9.${n + 1}`, ...refused(code) })),
    // Autobahn only reports these cases. RFC 6455, section 7.4.2, has no codes beyond 4999.
    { id: '7.13.1', ...refused(5000) },
    { id: '7.13.2', ...refused(65535) },
    ...REGISTERED_LATER.map((code): Case => ({ id: `7.7+${code}`, ...answered(code) })),
    ...INVALID_TOO.map((code): Case => ({ id: `7.9+${code}`, ...refused(code) })),
    { id: '7.14+1', title: 'a reason that is not ASCII', send: [close(4000, 'grüße €')], receive: [], close: [4000] },
    { id: '7.14+2', title: 'the server does not read bytes after a close frame', send: [close(1000), frame(15, 'reserved', { rsv: 7, mask: null })], ...normally },
    { id: '7.14+3', title: 'a reason that ends within a character', send: [close(1000, Buffer.from('€').subarray(0, 2))], receive: [], close: [1007, 1002] }
  ] satisfies Case[]
}
