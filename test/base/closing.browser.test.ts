import t from 'tap'
import * as node from '../../lib/base/closing'
import * as browser from '../../lib/base/closing.browser'

const SIBLINGS = Object.entries({ node, browser })

t.test('both take 1000 and the codes from 3000 to 4999, and refuse codes that may not be sent', async (t) => {
  for (const [name, { checkCloseCode }] of SIBLINGS) {
    for (const code of [1000, 3000, 3003, 3999, 4000, 4999]) t.doesNotThrow(() => checkCloseCode(code), name)
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 3000.5, NaN, Infinity, '1000', null, undefined]) {
      t.throws(() => checkCloseCode(code), { name: 'RangeError', message: /^close code .* may not be sent/ }, `${name} ${String(code)}`)
    }
  }
})

t.test('only a page may not send the other registered codes', async (t) => {
  for (const code of [1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]) {
    t.doesNotThrow(() => node.checkCloseCode(code))
    t.throws(() => browser.checkCloseCode(code), { name: 'RangeError', message: `close code ${code} may not be sent by a page: use 1000, or 3000 to 4999` })
  }
})

t.test('both cut a reason between two characters, to at most 123 bytes', async (t) => {
  for (const reason of ['', 'bye', 'a'.repeat(123), 'a'.repeat(124), 'é'.repeat(100), `a${'é'.repeat(100)}`, '€'.repeat(50), '😀'.repeat(50), `aa${'😀'.repeat(50)}`, '\ud83d']) {
    const cut = node.cutReason(reason)
    t.ok(reason.startsWith(cut) && Buffer.byteLength(cut) <= 123, cut)
    t.equal(browser.cutReason(reason), cut)
  }
})

t.test('both take the same ends for normal', async (t) => {
  for (const [name, { isNormal }] of SIBLINGS) t.same([1000, 1001, 1002, 1005, 1006, 1008, 1011, 3000, 4000].filter(isNormal), [1000, 1001, 1005], name)
})
