import { runInNewContext } from 'node:vm'
import t from 'tap'
import * as node from '../../lib/codec/bytes'
import * as browser from '../../lib/codec/bytes.browser'

const TEXTS = ['', 'hello', 'ünïcödé €😀', '\u0000', '\ufeffwith a byte order mark', 'a'.repeat(5_000)]

/** Bytes that are not UTF-8. */
const WRONG = [[0xff], [0x61, 0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]].map((bytes) => Buffer.from(bytes))

t.test('both encode and decode UTF-8 alike, and keep a byte order mark', async (t) => {
  for (const text of TEXTS) {
    const bytes = node.encodeUtf8(text)
    t.ok(bytes.equals(browser.encodeUtf8(text)))
    for (const [name, { strictUtf8 }] of Object.entries({ node, browser })) t.equal(strictUtf8(bytes), text, name)
  }
  t.ok(node.encodeUtf8('\ud800').equals(browser.encodeUtf8('\ud800')), 'both replace half of a surrogate pair')
})

t.test('both throw for bytes that are not UTF-8', async (t) => {
  for (const bytes of WRONG) {
    for (const [name, { strictUtf8 }] of Object.entries({ node, browser })) t.throws(() => strictUtf8(bytes), TypeError, name)
  }
})

t.test('both say that a binary message is no text', async (t) => {
  for (const { whyNoText } of [node, browser]) t.match(whyNoText(Buffer.from('bytes')), /^expected a text message/)
})

t.test('both know buffers of any realm, and nothing else', async (t) => {
  const others = runInNewContext('[new ArrayBuffer(1), new SharedArrayBuffer(1)]')
  for (const [name, { isAnyArrayBuffer }] of Object.entries({ node, browser })) {
    for (const buffer of [new ArrayBuffer(1), new SharedArrayBuffer(1), ...others]) t.equal(isAnyArrayBuffer(buffer), true, name)
    for (const value of [new Uint8Array(1), Buffer.alloc(1), new DataView(new ArrayBuffer(1)), {}, [], 'ArrayBuffer', null, undefined, 5]) t.equal(isAnyArrayBuffer(value), false, name)
  }
})
