import t from 'tap'
import { show } from '../../lib/base/show'
import { closeCodes } from '../../lib/base/close-codes'
import { checkCloseCode, cutReason, isNormal, isSendable } from '../../lib/base/closing'

t.test('every registered code has its upper-case name', async (t) => {
  t.strictSame(closeCodes, {
    NORMAL_CLOSURE: 1000,
    GOING_AWAY: 1001,
    PROTOCOL_ERROR: 1002,
    UNSUPPORTED_DATA: 1003,
    NO_STATUS_RECEIVED: 1005,
    ABNORMAL_CLOSURE: 1006,
    INVALID_FRAME_PAYLOAD_DATA: 1007,
    POLICY_VIOLATION: 1008,
    MESSAGE_TOO_BIG: 1009,
    MISSING_EXTENSION: 1010,
    INTERNAL_ERROR: 1011,
    SERVICE_RESTART: 1012,
    TRY_AGAIN_LATER: 1013,
    BAD_GATEWAY: 1014,
    TLS_HANDSHAKE: 1015,
    UNAUTHORIZED: 3000,
    FORBIDDEN: 3003,
    TIMEOUT: 3008
  })
})

t.test('the table of codes cannot be changed', async (t) => {
  t.throws(() => { (closeCodes as { NORMAL_CLOSURE: number }).NORMAL_CLOSURE = 1 }, TypeError)
  t.equal(closeCodes.NORMAL_CLOSURE, 1000)
})

t.test('exactly the codes that RFC 6455 lets an endpoint send may be sent', async (t) => {
  const sendable = []
  for (let code = 0; code <= 0xffff; code++) {
    if (isSendable(code)) sendable.push(code)
  }
  const own = Array.from({ length: 2000 }, (_, i) => 3000 + i)
  t.strictSame(sendable, [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, ...own])
})

t.test('a value that is no whole number may not be sent', async (t) => {
  for (const code of [undefined, null, NaN, Infinity, -1000, 1000.5, 3000.5, '1000', '3000', 1000n, true, {}, [1000], Symbol('1000')]) {
    t.equal(isSendable(code), false, String(code))
  }
})

t.test('checking a code that may not be sent throws a RangeError that names it', async (t) => {
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65536, -1, 1000.5, NaN, '1000', null, undefined, Symbol('code'), Object.create(null)]) {
    t.throws(() => checkCloseCode(code), { name: 'RangeError', message: `close code ${show(code)} may not be sent` }, show(code))
  }
})

t.test('checking a code that may be sent does not throw', async (t) => {
  for (const code of [1000, 1003, 1011, 1014, 3000, 4999]) t.doesNotThrow(() => checkCloseCode(code))
})

t.test('a reason of at most 123 bytes is kept as it is', async (t) => {
  for (const reason of ['', 'a'.repeat(123), 'é'.repeat(61), '€'.repeat(41), '😀'.repeat(30)]) t.equal(cutReason(reason), reason)
})

t.test('a longer reason is cut at 123 bytes where a character ends there', async (t) => {
  t.equal(cutReason('a'.repeat(124)), 'a'.repeat(123))
  t.equal(cutReason('€'.repeat(42)), '€'.repeat(41))
  t.equal(cutReason('a'.repeat(100_000)), 'a'.repeat(123))
})

t.test('a longer reason is cut before a character that does not fit', async (t) => {
  for (const character of ['é', '€', '😀']) {
    const bytes = Buffer.byteLength(character)
    for (let room = 0; room < bytes; room++) {
      const start = 'a'.repeat(123 - room)
      t.equal(cutReason(start + character), start, `${character} where ${room} of its ${bytes} bytes fit`)
    }
  }
})

t.test('a cut reason never has a part of a character, and is as long as it can be', async (t) => {
  for (let shift = 0; shift < 4; shift++) {
    const reason = 'x'.repeat(shift) + '😀'.repeat(50)
    const cut = cutReason(reason)
    t.ok(reason.startsWith(cut))
    t.notMatch(cut, '\ufffd')
    t.ok(Buffer.byteLength(cut) <= 123)
    t.ok(Buffer.byteLength(cut) > 123 - 4)
  }
})

t.test('exactly the ends 1000, 1001 and 1005 are normal', async (t) => {
  const normal = []
  for (let code = 0; code < 5000; code++) {
    if (isNormal(code)) normal.push(code)
  }
  t.strictSame(normal, [1000, 1001, 1005])
})
