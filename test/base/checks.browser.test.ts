import t from 'tap'
import * as node from '../../lib/base/checks'
import * as browser from '../../lib/base/checks.browser'

t.test('both know the longest delay of a timer', async (t) => {
  t.equal(browser.MAX_DELAY, node.MAX_DELAY)
})
