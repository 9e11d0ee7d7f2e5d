'use strict'

// npm run peers -- <folder>
//
// Runs the test suites of other packages against this package. `<folder>` has their repositories. suites.js lists the cases
// in which this package differs, with the reason. Any other failure fails the run.

const { existsSync } = require('node:fs')
const { join, resolve } = require('node:path')
const { INSTALL, SUITES } = require('./suites')

const HOW = [
  'npm run peers -- <folder>: the folder has the repositories of the test suites. To make the folder:',
  '',
  '  mkdir peers && cd peers',
  ...SUITES.map(({ repository }) => `  git clone --depth 1 https://github.com/${repository}`),
  `  npm install --prefix . ${INSTALL.join(' ')}`
].join('\n')

/** The names that the folder lacks. */
function missingIn (folder) {
  return [...SUITES.map(({ folder }) => folder), ...INSTALL.map((name) => join('node_modules', name.split('@')[0]))]
    .filter((name) => !existsSync(join(folder, name)))
}

/** Sorts the cases of a suite by their result. `differences` are expected failures. `mended` are cases that pass, although suites.js has a reason. */
function sort ({ differences }, cases) {
  const reasons = new Map(differences.flatMap(({ because, cases }) => cases.map((name) => [name, because])))
  const failed = cases.filter(({ passed }) => !passed)
  return {
    count: cases.length,
    passed: cases.filter(({ passed }) => passed).length,
    differences: differences.map(({ because }) => ({ because, cases: failed.filter(({ name }) => reasons.get(name) === because) })),
    failed: failed.filter(({ name }) => !reasons.has(name)),
    mended: cases.filter(({ name, passed }) => passed && reasons.has(name))
  }
}

function print (results) {
  console.log('| suite | cases | passed | differs here | failed |\n|---|---:|---:|---:|---:|')
  for (const { name, count, passed, failed } of results) console.log(`| ${name} | ${count} | ${passed} | ${count - passed - failed.length} | ${failed.length} |`)
  for (const { name, differences, failed, mended } of results) {
    console.log(`\n${name}`)
    for (const { because, cases } of differences.filter(({ cases }) => cases.length > 0)) {
      console.log(`  differs here: ${because}`)
      for (const { name } of cases) console.log(`    ${name}`)
    }
    for (const { name, error } of failed) console.log(`  FAILED: ${name}\n    ${error.split('\n').slice(0, 3).join('\n    ')}`)
    for (const { name } of mended) console.log(`  passes, although suites.js has a reason why not: ${name}`)
  }
}

async function main () {
  const folder = process.argv[2] && resolve(process.argv[2])
  const missing = folder === undefined ? [] : missingIn(folder)
  if (folder === undefined || missing.length > 0) {
    if (missing.length > 0) console.error(`${folder} has no ${missing.join(', ')}\n`)
    console.error(HOW)
    process.exitCode = 1
    return
  }
  const results = []
  for (const suite of SUITES) results.push({ name: suite.name, ...sort(suite, await suite.run(join(folder, suite.folder))) })
  print(results)
  if (results.some(({ failed }) => failed.length > 0)) process.exitCode = 1
}

main().catch((error) => {
  console.error(error.stack)
  process.exitCode = 1
})
