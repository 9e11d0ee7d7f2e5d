'use strict'

const { readFileSync, unlinkSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { setImmediate } = require('node:timers/promises')
const { writeHeapSnapshot } = require('node:v8')

/** Node types of V8's compiled code and own data, which grow for as long as V8 optimizes. */
const OF_V8 = new Set(['code', 'hidden', 'object shape'])

/** Writes a snapshot of the heap to a file, after garbage collections. Returns the path of the file. */
async function takeSnapshot () {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await setImmediate() // lets the callbacks of finalizers run
  }
  return writeHeapSnapshot(path.join(tmpdir(), `soak-${process.pid}-${Date.now()}.heapsnapshot`))
}

/** Returns the bytes of all objects in the snapshot `file`, with their memory outside the heap. Removes the file. */
function readSnapshot (file) {
  const { snapshot: { meta }, nodes } = JSON.parse(readFileSync(file, 'utf8'))
  unlinkSync(file)
  const [types] = meta.node_types
  const type = meta.node_fields.indexOf('type')
  const size = meta.node_fields.indexOf('self_size')
  let bytes = 0
  for (let i = 0; i < nodes.length; i += meta.node_fields.length) {
    if (!OF_V8.has(types[nodes[i + type]])) bytes += nodes[i + size]
  }
  return bytes
}

module.exports = { readSnapshot, takeSnapshot }
