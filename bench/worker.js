'use strict'

/** Answers the calls of the parent process with `methods`: a server and a load process alike. */
function work (methods) {
  process.on('message', async ({ id, method, params }) => {
    process.send({ id, result: await methods[method](params) })
  })
  process.on('disconnect', () => process.exit())
  // Whatever is unexpected, in a callback or in a promise, fails the run.
  process.on('uncaughtException', (error) => process.send({ error: error.stack }, () => process.exit(1)))
}

/** Lets the parent know that something has begun or ended. */
function tell (event) {
  process.send({ event })
}

/** The time in seconds, and the processor time that this process has used, in seconds. */
function mark () {
  const { user, system } = process.cpuUsage()
  return { time: performance.now() / 1e3, cpu: (user + system) / 1e6 }
}

module.exports = { work, tell, mark }
