'use strict'

const { endAll } = require('./child')

/** Runs a program that has child processes. The children end with the program, however it ends. */
function run (main) {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      endAll()
      process.exit(1)
    })
  }

  main()
    .catch((error) => {
      console.error(error.stack)
      process.exitCode = 1
    })
    .finally(endAll)
}

module.exports = { run }
