'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { chart } = require('./chart')
const { markdown } = require('./markdown')
const { rows } = require('./rows')

const RESULTS = path.join(__dirname, '../results')
const CHART = path.join(__dirname, '../../docs/performance.svg')

/** Prints the tables. Writes the tables, the raw figures and the chart to files. */
function report ({ options, about, results }) {
  const table = rows(results)
  const text = markdown({ options, about, results, table })
  console.log(text)
  fs.mkdirSync(RESULTS, { recursive: true })
  fs.writeFileSync(path.join(RESULTS, 'latest.md'), text)
  fs.writeFileSync(path.join(RESULTS, 'latest.json'), JSON.stringify({ options, about, results }, null, 2))
  const file = options.chart ?? (isFull(options) ? CHART : undefined)
  if (file !== undefined) fs.writeFileSync(file, chart(table, about))
}

function isFull ({ quick, only, hasAllPeers }) {
  return !quick && only === '' && hasAllPeers
}

module.exports = { report }
