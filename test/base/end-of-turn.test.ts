import t from 'tap'
import { setImmediate } from 'node:timers/promises'
import { flushAfterPromises, flushAfterTurn, flushFirst, hasComeRound, markRound, type Flushable } from '../../lib/base/end-of-turn'

/** Notes when it is flushed. */
function named (name: string, log: string[]): Flushable {
  return { flush: () => { log.push(name) } }
}

t.test('the flush comes after the promises of the turn, however long their chain is', async (t) => {
  const log: string[] = []
  await setImmediate()
  flushAfterTurn(named('flush', log))
  for (let i = 0; i < 100; i++) await null
  log.push('promises')
  await setImmediate()
  t.same(log, ['promises', 'flush'])
})

t.test('the flush comes before the next turn', async (t) => {
  const log: string[] = []
  await new Promise<void>((resolve) => {
    globalThis.setImmediate(() => {
      flushAfterTurn(named('flush', log))
      log.push('callback')
    })
    globalThis.setImmediate(() => {
      log.push('next callback')
      resolve()
    })
  })
  t.same(log, ['callback', 'flush', 'next callback'])
})

t.test('the flush comes after the promises of the callback that asked for it', async (t) => {
  const log: string[] = []
  await new Promise<void>((resolve) => {
    globalThis.setImmediate(async () => {
      flushAfterTurn(named('flush', log))
      await null
      await null
      log.push('promises')
      globalThis.setImmediate(resolve)
    })
  })
  t.same(log, ['promises', 'flush'])
})

t.test('objects are flushed in the order in which they asked for it', async (t) => {
  const log: string[] = []
  for (const name of ['a', 'b', 'c']) flushAfterTurn(named(name, log))
  await setImmediate()
  t.same(log, ['a', 'b', 'c'])
})

t.test('an object that asks for a flush during the flush of others is flushed as well', async (t) => {
  const log: string[] = []
  flushAfterTurn({ flush: () => { flushAfterTurn(named('later', log)) } })
  flushAfterTurn(named('first', log))
  await setImmediate()
  t.same(log, ['first', 'later'])
})

t.test('what is to be flushed first comes before the others of the turn, also if it is passed while they are flushed', async (t) => {
  const log: string[] = []
  flushAfterTurn({
    flush () {
      log.push('one')
      flushFirst(named('first again', log))
    }
  })
  flushAfterTurn(named('two', log))
  flushFirst(named('first', log))
  await setImmediate()
  t.same(log, ['first', 'one', 'first again', 'two'])
  flushFirst(named('alone', log))
  await setImmediate()
  t.equal(log.at(-1), 'alone')
})

t.test('after the promises: all promise jobs of the callback have run, whatever is flushed at the end of the turn', async (t) => {
  const log: string[] = []
  flushAfterPromises(named('flushed', log))
  let promise = Promise.resolve()
  for (let i = 0; i < 10; i++) promise = promise.then(() => { log.push(String(i)) })
  await setImmediate()
  t.equal(log.join(), '0,1,2,3,4,5,6,7,8,9,flushed')
})

t.test('an object can be flushed in each turn', async (t) => {
  const log: string[] = []
  for (let turn = 1; turn <= 3; turn++) {
    flushAfterTurn(named(`turn ${turn}`, log))
    await setImmediate()
    t.equal(log.length, turn)
  }
})

t.test('the event loop has come round when it has looked at all sockets once more, from any phase', async (t) => {
  const first = markRound()
  await setImmediate()
  t.equal(hasComeRound(first), false)
  const second = markRound()
  await setImmediate()
  t.strictSame([hasComeRound(first), hasComeRound(second)], [true, false])
  await setImmediate()
  t.equal(hasComeRound(second), true)
  const third = markRound()
  t.equal(hasComeRound(third), false)
  for (let i = 0; i < 2; i++) await setImmediate()
  t.equal(hasComeRound(third), true)
})
