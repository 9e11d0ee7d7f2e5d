import t from 'tap'
import * as node from '../../lib/connection/backlog'
import * as browser from '../../lib/connection/backlog.browser'

for (const [name, { Backlog }] of Object.entries({ node, browser })) {
  t.test(`${name}: messages are taken in the order in which they came`, async (t) => {
    const backlog = new Backlog()
    t.equal(backlog.shift(), undefined)
    for (let round = 0; round < 3; round++) {
      const messages = Array.from({ length: 10 }, (_, i) => i % 2 === 0 ? `${round} ${i}` : Buffer.from([round, i]))
      for (const message of messages) backlog.push(message, message.length)
      for (const message of messages) t.equal(backlog.shift(), message)
      t.equal(backlog.shift(), undefined)
    }
  })

  t.test(`${name}: messages come and go at the same time`, async (t) => {
    const backlog = new Backlog()
    backlog.push('0', 1)
    for (let n = 1; n < 100; n++) {
      backlog.push(String(n), 1)
      t.equal(backlog.shift(), String(n - 1))
    }
    t.equal(backlog.shift(), '99')
  })

  t.test(`${name}: a message costs its bytes, but at least what an object takes`, async (t) => {
    const backlog = new Backlog()
    const costs = [1000, 0, 1, 129].map((bytes) => {
      const { bytes: before } = backlog
      backlog.push('a'.repeat(bytes), bytes)
      return backlog.bytes - before
    })
    t.same(costs, [1000, 128, 128, 129])
    for (const rest of [385, 257, 129, 0]) {
      backlog.shift()
      t.equal(backlog.bytes, rest)
    }
  })
}
