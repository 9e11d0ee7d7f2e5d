'use strict'

// Runs the test files of other repositories. Both functions resolve with the cases: name, whether it passed, and its error.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { join } = require('node:path')
const { text } = require('node:stream/consumers')

/** In ms: the limit for one process. */
const LIMIT = 180_000

const here = (name) => join(__dirname, name)

const PRELOADED = ['--require', here('stand-ins.js'), '--require', here('cases.js')]

/** Runs files of node:test or Mocha, one after the other. The files test the module `standIn`. */
async function runFiles (folder, files, standIn) {
  const cases = []
  for (const file of files) {
    const args = [...PRELOADED, '--test-force-exit', '--test-reporter', here('reporter.js'), file]
    const { code, stdout, stderr } = await run(args, folder, { STAND_IN: here(standIn) })
    const told = stdout.split('\n').filter((line) => line.startsWith('{"name"')).map((line) => JSON.parse(line))
    cases.push(...told.filter(({ skipped }) => !skipped))
    if (told.length === 0 || code === null) cases.push({ name: file, passed: false, error: `did not end\n${stderr}` })
  }
  return cases
}

/** Runs the tests of the folder with the vitest that is installed beside the folder. Leaves out cases whose names match `except`. */
async function runVitest (folder, except) {
  const { stdout, stderr } = await run([join(folder, '..', 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--config', here('vitest.config.mjs')], folder)
  const start = stdout.indexOf('{"numTotal')
  if (start === -1) throw new Error(`vitest has reported nothing: ${stderr}`)
  return JSON.parse(stdout.slice(start)).testResults.flatMap(casesOf).filter(({ name }) => !except.test(name))
}

function casesOf ({ name, message, assertionResults }) {
  if (assertionResults.length === 0) return [{ name, passed: false, error: message }]
  return assertionResults.filter(({ status }) => status === 'passed' || status === 'failed').map(({ ancestorTitles, title, status, failureMessages }) =>
    ({ name: [...ancestorTitles, title].join(' > '), passed: status === 'passed', error: failureMessages.join('\n') }))
}

async function run (args, cwd, env) {
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT, killSignal: 'SIGKILL' })
  const [[code], stdout, stderr] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}

module.exports = { runFiles, runVitest }
