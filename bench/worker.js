'use strict'

/** Answers the calls of the parent process with `methods`, in a server or a load process. */
function work (methods) {
  process.on('message', async ({ id, method, params }) => {
    process.send({ id, result: await methods[method](params) })
  })
  process.on('disconnect', () => process.exit())
  // An unexpected error in a callback or a promise fails the run.
  process.on('uncaughtException', (error) => process.send({ error: error.stack }, () => process.exit(1)))
}

/** Sends an event to the parent process. */
function tell (event) {
  process.send({ event })
}

/** The time in seconds, and the processor time that this process has used, in seconds. */
function mark () {
  const { user, system } = process.cpuUsage()
  return { time: performance.now() / 1e3, cpu: (user + system) / 1e6 }
}

module.exports = { work, tell, mark }
