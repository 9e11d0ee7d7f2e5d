'use strict'

const { PEERS } = require('../peers')
const { judge, scaling } = require('../targets')
const { loadCheck } = require('./load-check')
const { unmasking } = require('./unmasking')

const COLUMNS = ['ours', 'handlers', 'metrics', 'before', 'ws', 'fastify', 'uws']
const COMPARED = ['metrics', 'before', 'ws', 'fastify', 'uws']

/** The peers of `peers` that take part in at least one row. */
const present = (peers, table) => peers.filter((peer) => table.some((row) => row.peers.includes(peer)))

function markdown ({ options, about, results, table }) {
  const compared = table.filter(({ peers }) => !peers.includes('raw'))
  return [
    '# Benchmark', header(about, options, results),
    '## Figures', 'Medians of all rounds.', figures(compared),
    '## Ratios', `${PEERS.ours.name} (the handler that iterates) to each peer: the median of the rounds and, in parentheses, the least and the greatest.`, ratios(compared),
    '## Targets', targets(table),
    '## The load process', 'Processor time of the load process and of the server during the measurement, for the fastest peer.', load(results, table)
  ].join('\n\n') + '\n'
}

function header ({ date, node, cpu, cores, kernel, pinned, versions, absent }, { quick, rounds, seconds }, results) {
  return [
    `- ${date}, Node ${node}, ${cpu}, ${cores} cores, ${kernel}`,
    `- ${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}`,
    ...unmasking(results).map((line) => `- ${line}`),
    `- ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${seconds} s; ${pinned ? 'server and load pinned to a core each' : 'not pinned to cores'}`,
    ...absent.map(({ peer, reason }) => `- without ${PEERS[peer].name}: ${reason}`),
    ...(quick ? ['- a quick run without warm-up: the figures mean nothing'] : [])
  ].join('\n')
}

function figures (table) {
  const columns = present(COLUMNS, table)
  return grid(
    ['workload', 'unit', ...columns.map((peer) => PEERS[peer].name)],
    table.map((row) => [title(row), row.unit, ...columns.map((peer) => figure(row.figure(peer)))]))
}

function ratios (table) {
  const compared = present(COMPARED, table)
  return grid(
    ['workload', ...compared.map((peer) => `to ${PEERS[peer].name}`)],
    table.map((row) => [
      row.better === 'higher' ? title(row) : `${title(row)} (less is better)`,
      ...compared.map((peer) => spread(row.ratio('ours', peer)))
    ]))
}

function targets (table) {
  const judged = [...judge(table), ...scaling(table)]
  if (judged.length === 0) return 'No workload with a target was measured.'
  return grid(
    ['workload', 'target', 'measured', ''],
    judged.map(({ workload, target, measured, met }) => [workload, target, measured.toFixed(2), met ? 'met' : '**not met**']))
}

function load (results, table) {
  return grid(
    ['workload', 'fastest', 'load', 'server', 'load generator could do', ''],
    loadCheck(results, table).map(({ workload, peer, busy, serverBusy, capacity, unit, warning }) =>
      [workload, PEERS[peer].name, percent(busy), percent(serverBusy), `${figure(capacity)} ${unit}`, warning]))
}

function title ({ workload, label }) {
  return label === undefined ? workload : `${workload}: ${label}`
}

function grid (head, lines) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => i === 0 ? '---' : '---:')), ...lines.map(line)].join('\n')
}

function figure (value) {
  if (value === undefined) return '–'
  return Number(value.toPrecision(3)).toLocaleString('en')
}

function spread (ratio) {
  if (ratio === undefined || !Number.isFinite(ratio.median)) return '–'
  return `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`
}

function percent (share) {
  return `${Math.round(share * 100)} %`
}

module.exports = { markdown }
