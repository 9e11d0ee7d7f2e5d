'use strict'

// Preloaded into the test files of other repositories. Where a file requires the module that it tests, it gets the stand-in.
// Where a file requires Fastify or `ws`, it gets the ones that the plugin uses.

const { Module } = require('node:module')
const { dirname, join } = require('node:path')

const project = join(__dirname, '..', '..')
const ws = dirname(require.resolve('ws/package.json'))
const standIn = require.resolve(process.env.STAND_IN)

const { _resolveFilename } = Module

Module._resolveFilename = function (request, parent, ...rest) {
  if (parent?.filename === process.argv[1]) {
    if (request === 'assert') return join(__dirname, 'assert.js')
    if (request === '..' || request === '../') return standIn
    if (request.startsWith('../lib/')) return join(ws, `${request.slice(3)}.js`)
    if (!request.startsWith('.')) return _resolveFilename.call(this, request, parent, false, { paths: [project] })
  }
  return _resolveFilename.call(this, request, parent, ...rest)
}
