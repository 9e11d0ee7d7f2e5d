import t from 'tap'
import * as node from '../../lib/base/clock'
import * as browser from '../../lib/base/clock.browser'

for (const [name, { afterTurn, now }] of Object.entries({ node, browser })) {
  t.test(`afterTurn of ${name} resolves after the microtasks of this task`, async (t) => {
    let hasResolved = false
    const turn = afterTurn().then(() => { hasResolved = true })
    for (let n = 0; n < 100; n++) await null
    t.equal(hasResolved, false)
    await turn
    t.equal(hasResolved, true)
  })

  t.test(`now of ${name} counts milliseconds`, async (t) => {
    const [before, first, second, after] = [performance.now(), now(), now(), performance.now()]
    t.ok(before <= first && first <= second && second <= after, `${before} ${first} ${second} ${after}`)
  })
}
