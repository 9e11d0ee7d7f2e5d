'use strict'

const { setTimeout: delay } = require('node:timers/promises')
const { takeSnapshot } = require('./heap')

/** The resources of the standard streams, and of the channel to the parent process. */
const STANDARD = new Set(['PipeWrap', 'TTYWrap'])

const MOST_PROBLEMS = 20

/** In ms: how long connections may take to end. */
const PATIENCE = 15_000

/** The problems of this process: the number of all, and the text of the first ones. */
const problems = { count: 0, texts: [] }

function problem (text) {
  problems.count++
  if (problems.texts.length < MOST_PROBLEMS) problems.texts.push(text)
}

/** Answers the calls of the parent process with `methods`. */
function work (methods) {
  process.on('message', async ({ id, method, params }) => {
    process.send({ id, result: { ...await methods[method](params), problems } })
  })
  process.on('disconnect', () => process.exit())
  for (const event of ['uncaughtException', 'unhandledRejection']) {
    process.on(event, (error) => problem(`${event}: ${error?.stack ?? error}`))
  }
}

/** What is left at the end: resources that keep the process alive, without `expected`, and with `snapshot` the path of a heap snapshot. */
async function remains (expected, { snapshot = false }) {
  const deadline = Date.now() + PATIENCE
  let resources
  while ((resources = beyond(expected)).length > 0 && Date.now() < deadline) await delay(10)
  return { resources, snapshot: snapshot ? await takeSnapshot() : undefined }
}

function beyond (expected) {
  const left = process.getActiveResourcesInfo().filter((resource) => !STANDARD.has(resource))
  for (const resource of expected) {
    const at = left.indexOf(resource)
    if (at !== -1) left.splice(at, 1)
  }
  return left
}

module.exports = { PATIENCE, problem, remains, work }
