'use strict'

// Preloaded into the test files of others: what they make their cases with. Each has a time limit, and Mocha's globals, as
// far as the tests of `ws` use them, are made of node:test.

const test = require('node:test')
const { closeServers } = require(process.env.STAND_IN)

/** Milliseconds, of a case and of a hook. */
const LIMIT = { timeout: 5_000 }

const runTest = test.test

test.test = (name, ...rest) => {
  const fn = rest.pop()
  return runTest(name, { ...LIMIT, ...rest[0] }, fn)
}

/** A function that is given a callback if it wants one. */
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
