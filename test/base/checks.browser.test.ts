import t from 'tap'
import * as node from '../../lib/base/checks'
import * as browser from '../../lib/base/checks.browser'

t.test('both take only the values of a list, and name them', async (t) => {
  for (const [name, { checkOneOf }] of Object.entries({ node, browser })) {
    for (const value of ['text', 'bytes']) t.doesNotThrow(() => checkOneOf('mode', value, ['text', 'bytes']), name)
    for (const value of ['txt', 'Text', '', undefined, null, 5, ['text']]) {
      t.throws(() => checkOneOf('mode', value, ['text', 'bytes']), { name: 'WebSocketOptionError', message: /^mode is .*: use one of '?text'?, '?bytes'?$/ }, `${name} ${String(value)}`)
    }
  }
})

t.test('both know the longest delay of a timer', async (t) => {
  t.equal(browser.MAX_DELAY, node.MAX_DELAY)
})
