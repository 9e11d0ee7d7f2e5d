'use strict'

const { readFileSync, unlinkSync } = require('node:fs')
const { tmpdir } = require('node:os')
const path = require('node:path')
const { setImmediate } = require('node:timers/promises')
const { writeHeapSnapshot } = require('node:v8')

/** What V8 has compiled, and keeps for itself. Of that there is more for as long as it learns. */
const OF_V8 = new Set(['code', 'hidden', 'object shape'])

/** Writes down all that is in the memory of this process, as a file, after garbage collections. */
async function takeSnapshot () {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await setImmediate() // what waits for objects to be collected runs then
  }
  return writeHeapSnapshot(path.join(tmpdir(), `soak-${process.pid}-${Date.now()}.heapsnapshot`))
}

/** The bytes of all objects in `file`, with what they have beside the heap. The file is removed. */
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
