import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { atMost, Deferred, quiet, rejected, settled } from '../../lib/base/deferred'
import { unhandledRejections } from '../helpers/unhandled'

const error = new Error('expected')

t.test('the helper of these tests notices an unhandled rejection', async (t) => {
  t.strictSame(await unhandledRejections(() => { Promise.reject(error) }), [error])
})

t.test('quiet returns the given promise', async (t) => {
  const promise = Promise.resolve(1)
  t.equal(quiet(promise), promise)
  t.equal(await quiet(promise), 1)
})

t.test('a quiet promise that rejects is no unhandled rejection', async (t) => {
  t.strictSame(await unhandledRejections(() => { quiet(Promise.reject(error)) }), [])
})

t.test('a quiet promise that rejects later is no unhandled rejection', async (t) => {
  t.strictSame(await unhandledRejections(async () => {
    let reject!: (error: Error) => void
    quiet(new Promise((_resolve, _reject) => { reject = _reject }))
    await null
    reject(error)
  }), [])
})

t.test('awaiting a quiet promise throws its error', async (t) => {
  await t.rejects(quiet(Promise.reject(error)), error)
})

t.test('a promise that is derived from a quiet one is not quiet', async (t) => {
  t.strictSame(await unhandledRejections(() => { quiet(Promise.reject(error)).then(() => {}) }), [error])
})

t.test('a rejected promise rejects with the given error, and is no unhandled rejection', async (t) => {
  for (const reason of [error, undefined, null, 'text']) {
    t.strictSame(await unhandledRejections(() => { rejected(reason) }), [])
    t.equal(await rejected(reason).catch((thrown) => thrown), reason)
  }
})

t.test('settled resolves with nothing when the promise resolves or rejects', async (t) => {
  for (const settle of [(deferred: Deferred<number>) => deferred.resolve(1), (deferred: Deferred<number>) => deferred.reject(error)]) {
    const deferred = new Deferred<number>()
    let waited = false
    const waiting = settled(deferred.promise).then((value) => {
      waited = true
      t.equal(value, undefined)
    })
    await setImmediate()
    t.notOk(waited)
    settle(deferred)
    await waiting
  }
})

t.test('a deferred promise resolves with the value', async (t) => {
  const deferred = new Deferred<number>()
  deferred.resolve(1)
  deferred.resolve(2)
  t.equal(await deferred.promise, 1)
})

t.test('a deferred promise rejects with the error, which is no unhandled rejection', async (t) => {
  const deferred = new Deferred()
  t.strictSame(await unhandledRejections(() => deferred.reject(error)), [])
  await t.rejects(deferred.promise, error)
})

t.test('a deferred promise settles once', async (t) => {
  const deferred = new Deferred<number>()
  deferred.resolve(1)
  deferred.reject(error)
  t.equal(await deferred.promise, 1)
})

t.test('a deferred promise follows the promise that it is resolved with', async (t) => {
  const deferred = new Deferred<number>()
  deferred.resolve(Promise.resolve(1))
  t.equal(await deferred.promise, 1)
})

t.test('atMost waits for the promise, and returns whether it has resolved in time', async (t) => {
  const deferred = new Deferred<void>()
  let waited = false
  const waiting = atMost(60_000, deferred.promise).then((hasSettled) => { waited = hasSettled })
  await Promise.resolve()
  t.notOk(waited)
  deferred.resolve()
  await waiting
  t.ok(waited)
})

t.test('atMost waits no longer than the given time', async (t) => {
  const started = performance.now()
  t.equal(await atMost(50, new Promise(() => {})), false)
  t.ok(performance.now() - started >= 49)
})

t.test('atMost rejects like the promise', async (t) => {
  await t.rejects(atMost(60_000, Promise.reject(error)), error)
})
