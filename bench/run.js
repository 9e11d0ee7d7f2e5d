'use strict'

// npm run bench: see README.md.

const { endAll } = require('./child')
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
    const result = await attempt(workload, options)
    if (result !== null) results.push(result)
  }
  report({ options, about, results })
}

/** Measures a workload. A workload that fails is left out and fails the run, but the run goes on: it takes long. */
async function attempt (workload, options) {
  try {
    return await measure(workload, options)
  } catch (error) {
    endAll()
    process.exitCode = 1
    console.error(`${workload.name}: left out: ${error.stack}`)
    return null
  }
}

if (process.argv[2] === 'cluster') require('./cluster/run')
else if (process.argv[2] === 'history') require('./history')
else run(main)
