import t from 'tap'
import { closePayload, readClose } from '../../lib/protocol/close-frame'
import { Violation } from '../../lib/protocol/violation'

t.test('a close frame without a code has the code 1005 and no reason', async (t) => {
  t.same(readClose(Buffer.alloc(0)), { code: 1005, reason: Buffer.alloc(0) })
})

t.test('a close frame has a code and a reason', async (t) => {
  t.same(readClose(Buffer.from([0x03, 0xe8])), { code: 1000, reason: Buffer.alloc(0) })
  t.same(readClose(Buffer.concat([Buffer.from([0x13, 0x87]), Buffer.from('Grüße')])), { code: 4999, reason: Buffer.from('Grüße') })
})

t.test('the reason is a copy', async (t) => {
  const payload = Buffer.from('\u0003\u00e8reason', 'latin1')
  const { reason } = readClose(payload) as { reason: Buffer }
  payload.fill(0xaa)
  t.equal(reason.toString(), 'reason')
})

t.test('of all codes, those that a close frame may carry are read (RFC 6455, section 7.4)', async (t) => {
  const sendable = (code: number): boolean => (code >= 3000 && code <= 4999) || (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code))
  let wrong = 0
  for (let code = 0; code < 65_536; code++) {
    const close = readClose(Buffer.from([code >> 8, code & 0xff]))
    const isRead = !(close instanceof Violation)
    if (isRead !== sendable(code) || (isRead && close.code !== code) || (!isRead && close.closeCode !== 1002)) wrong++
  }
  t.equal(wrong, 0)
  t.match(readClose(Buffer.from([0x03, 0xed])), { error: { message: 'Invalid WebSocket frame: invalid status code 1005', code: 'WS_ERR_INVALID_CLOSE_CODE' } })
})

t.test('a reason that is not UTF-8 is a violation', async (t) => {
  t.match(readClose(Buffer.from([0x03, 0xe8, 0xc3])), { closeCode: 1007, error: { code: 'WS_ERR_INVALID_UTF8' } })
})

t.test('what is written is read', async (t) => {
  t.equal(closePayload(undefined, '').length, 0)
  t.same([...closePayload(1000, '')], [0x03, 0xe8])
  for (const reason of ['', 'bye', 'Grüße', 'x'.repeat(123)]) {
    for (const given of [reason, new Uint8Array(Buffer.from(reason))]) t.same(readClose(closePayload(4000, given)), { code: 4000, reason: Buffer.from(reason) })
  }
})
