'use strict'

// npm run bench: see README.md.

const { install } = require('./install')
const { machine } = require('./machine')
const { run } = require('./main')
const { readOptions } = require('./options')
const { report } = require('./report')
const { measure } = require('./rounds')
const { workloads } = require('./workloads')

async function main () {
  const options = readOptions()
  install()
  const about = machine()
  const results = []
  for (const workload of workloads(options)) {
    if (!workload.name.includes(options.only)) continue
    const result = await measure(workload, options)
    if (result !== null) results.push(result)
  }
  report({ options, about, results })
}

if (process.argv[2] === 'cluster') require('./cluster/run')
else run(main)
