'use strict'

// The load on one peer, in a process of its own: node load.js <driver> <settings as JSON>

const { setTimeout: delay } = require('node:timers/promises')
const { work, tell, mark } = require('./worker')

const [name, settings] = process.argv.slice(2)

let driver

async function prepare (target) {
  driver = await require(`./load/${name}`).prepare({ ...JSON.parse(settings), ...target })
}

/** Measures the driver: for `seconds` after `warmUp`, both in seconds, or for its whole job if the driver has `run`. */
async function measure ({ warmUp, seconds }) {
  await driver.start?.()
  await delay(warmUp * 1000)
  const before = begin()
  await (driver.run?.() ?? delay(seconds * 1000))
  const after = end(before)
  await driver.stop?.()
  return after
}

function begin () {
  driver.begin?.()
  tell('begin')
  return { ...mark(), count: driver.count }
}

function end (before) {
  const after = mark()
  const seconds = after.time - before.time
  const result = { seconds, busy: (after.cpu - before.cpu) / seconds, count: driver.count - before.count, ...driver.end?.() }
  tell('end')
  return result
}

work({ prepare, measure })
