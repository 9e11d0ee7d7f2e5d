'use strict'

// Preloaded into the test files of other repositories: the functions that define cases. Each case gets a time limit. Mocha's
// globals, as far as the tests of `ws` use them, call node:test.

const test = require('node:test')
const { closeServers } = require(process.env.STAND_IN)

/** In ms: the limit for a case or a hook. */
const LIMIT = { timeout: 5_000 }

const runTest = test.test

test.test = (name, ...rest) => {
  const fn = rest.pop()
  return runTest(name, { ...LIMIT, ...rest[0] }, fn)
}

/** Returns `fn` with a callback as its argument, if `fn` has a parameter. */
const withCallback = (fn) => fn.length === 0
  ? (context) => fn.call(context)
  : (context, done) => fn.call(context, done)

globalThis.describe = test.describe
globalThis.it = (name, fn) => {
  test.it(name, LIMIT, withCallback(fn))
  return { timeout () {} }
}
globalThis.beforeEach = (fn) => test.beforeEach(withCallback(fn), LIMIT)
globalThis.afterEach = (fn) => test.afterEach(withCallback(fn), LIMIT)

if (closeServers !== undefined) test.afterEach(closeServers)
