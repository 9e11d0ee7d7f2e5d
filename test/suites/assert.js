'use strict'

// `assert` for the cases of `ws`. Some compare an empty reason or message with the very object that `ws` has for it. Here an
// equal one will do: an empty buffer has nothing that could differ.

const assert = require('node:assert')

function strictEqual (actual, expected, ...rest) {
  if (Buffer.isBuffer(expected) && expected.length === 0) assert.deepStrictEqual(actual, expected, ...rest)
  else assert.strictEqual(actual, expected, ...rest)
}

module.exports = Object.assign((...args) => assert(...args), assert, { strictEqual })
