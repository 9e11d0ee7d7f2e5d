import t from 'tap'
import WebSocket from 'ws'
import { checkFirstBytes, invalidCloseCode, invalidText, tooLong, tooManyFragments, unsafeLength, type Violation } from '../../lib/protocol/violation'

const { Receiver } = WebSocket as any // the types of ws lack it

/** The lengths in the second byte that matter. */
const LENGTHS = [0, 1, 2, 125, 126, 127]

/** The error of `ws`'s Receiver for the two first bytes of a frame. */
function errorOfWs (bytes: Buffer, isServer: boolean, isContinued: boolean, isCompressed: boolean): Error | undefined {
  const extensions = isCompressed ? { 'permessage-deflate': { decompress () {} } } : {}
  const receiver = new Receiver({ isServer, extensions })
  let found: Error | undefined
  const write = (bytes: Buffer): void => receiver._write(bytes, 'buffer', (error?: Error) => { found = error })
  if (isContinued) write(Buffer.from(isServer ? [0x01, 0x80, 0, 0, 0, 0] : [0x01, 0x00]))
  write(bytes)
  return found
}

function show (error: (Error & { code?: string }) | undefined): string {
  return error === undefined ? 'nothing' : `${error.name} ${error.code} ${error.message}`
}

t.test('any two first bytes violate what they violate for ws', async (t) => {
  const wrong: string[] = []
  let violations = 0
  for (const isServer of [true, false]) {
    for (const isContinued of [true, false]) {
      for (const isCompressed of [true, false]) {
        for (let first = 0; first < 256; first++) {
          for (const second of LENGTHS.flatMap((length) => [length, 0x80 | length])) {
            const violation = checkFirstBytes(first, second, isServer, isContinued, isCompressed)
            const theirs = show(errorOfWs(Buffer.from([first, second]), isServer, isContinued, isCompressed))
            if (show(violation?.error) !== theirs || (violation !== null && violation.closeCode !== 1002)) wrong.push(`${first} ${second}: ${theirs}`)
            if (violation !== null) violations++
          }
        }
      }
    }
  }
  t.same(wrong.slice(0, 10), [])
  t.ok(violations > 10_000 && violations < 8 * 256 * 12, `${violations} violations`)
})

const violations: [Violation, string, string, number, string][] = [
  [invalidCloseCode(1005), 'RangeError', 'WS_ERR_INVALID_CLOSE_CODE', 1002, ''],
  [invalidText(), 'Error', 'WS_ERR_INVALID_UTF8', 1007, ''],
  [tooLong(10), 'RangeError', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009, 'message larger than 10 bytes'],
  [unsafeLength(10), 'RangeError', 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009, 'message larger than 10 bytes'],
  [tooManyFragments(), 'RangeError', 'WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008, '']
]

for (const [{ error, closeCode, reason }, name, code, expectedCode, expectedReason] of violations) {
  t.test(`${code} has an error and a close code`, async (t) => {
    t.equal(error.name, name)
    t.match(error, { code })
    t.same([closeCode, reason], [expectedCode, expectedReason])
  })
}
