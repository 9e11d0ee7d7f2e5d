'use strict'

// The chart for the documentation: the ratio of each peer to `ws`, on a logarithmic scale.

const { PEERS } = require('../peers')

const SHOWN = [
  ['echo 64 B, 1 in flight, 64 connections', 'echo 64 B, 1 in flight'],
  ['echo 64 B, 16 in flight, 64 connections', 'echo 64 B, 16 in flight'],
  ['echo 64 B, 16 in flight, 10,000 connections', 'the same, 10,000 connections'],
  ['echo 1 KiB, 16 in flight, 64 connections', 'echo 1 KiB, 16 in flight'],
  ['echo 16 KiB, 16 in flight, 64 connections', 'echo 16 KiB, 16 in flight'],
  ['JSON echo with schemas, 16 in flight, 64 connections', 'JSON echo with schemas'],
  ['broadcast 64 B to 1,000, singly', 'broadcast to 1,000, singly'],
  ['broadcast 64 B to 1,000, in bursts of 16', 'broadcast, bursts of 16'],
  ['permessage-deflate echo 1 KiB, 16 in flight, 64 connections', 'permessage-deflate 1 KiB'],
  ['TLS echo 64 B, 16 in flight, 64 connections', 'TLS echo 64 B'],
  ['TLS echo 16 KiB, 16 in flight, 64 connections', 'TLS echo 16 KiB'],
  ['handshakes, each with the closing handshake, 32 at a time', 'handshakes and closing'],
  ['1 GiB in 1 MiB messages, to the server', '1 GiB to the server'],
  ['1 GiB in 1 MiB messages, from the server', '1 GiB from the server']
]

const BASE = 'ws'
const BARS = ['ours', 'fastify', 'uws']

const LEFT = 208
const RIGHT = 52
const TOP = 84
const WIDTH = 800
const BAR = 11
const GROUP = BARS.length * BAR + 13

const STYLE = `
  svg { --back: #ffffff; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --ours: #0969da; --fastify: #8c959f; --uws: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    svg { --back: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --ours: #4493f8; --fastify: #767e88; --uws: #db6d28 }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--ink) }
  .head { font-size: 15px; font-weight: 600 }
  .soft { fill: var(--soft); font-size: 11px }
  .grid { stroke: var(--line) }
  .base { stroke: var(--ink); stroke-width: 1.5 }
  ${BARS.map((peer) => `.${peer} { fill: var(--${peer}) }`).join('\n  ')}
`

function chart (table, about) {
  const groups = SHOWN.flatMap(([workload, label]) => {
    const row = table.find((row) => row.workload === workload)
    const bars = BARS.flatMap((peer) => {
      const ratio = row?.ratio(peer, BASE)
      return ratio === undefined ? [] : [{ peer, value: ratio.median }]
    })
    return bars.length === 0 ? [] : [{ label, bars }]
  })
  const values = groups.flatMap(({ bars }) => bars.map(({ value }) => value))
  const scale = logarithmic(Math.min(0.5, ...values), Math.max(2, ...values))
  const bottom = TOP + groups.length * GROUP
  const height = bottom + 34
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description">
<title id="title">Throughput compared with ws by hand</title>
<desc id="description">${groups.map(describe).join('; ')}.</desc>
<style>${STYLE}</style>
<rect width="${WIDTH}" height="${height}" rx="6" style="fill: var(--back)"/>
<text class="head" x="16" y="28">Throughput compared with ws by hand</text>
${legend()}
${scale.ticks.map((tick) => gridLine(tick, scale.x(tick), bottom)).join('\n')}
${groups.map((group, i) => drawGroup(group, TOP + i * GROUP, scale.x)).join('\n')}
<line class="base" x1="${scale.x(1)}" x2="${scale.x(1)}" y1="${TOP - 4}" y2="${bottom}"/>
<text class="soft" x="16" y="${height - 12}">${escape(`Node ${about.node}, ${about.cpu}, one core for the server. Medians; longer to the right is faster. 64 connections unless a row says otherwise.`)}</text>
</svg>
`
}

/** A logarithmic scale from `min` to `max`: its ticks are powers of two, and `x` is the position of a ratio. */
function logarithmic (min, max) {
  const [low, high] = [Math.floor(Math.log2(min)), Math.ceil(Math.log2(max))]
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 2 ** (low + i)),
    x: (ratio) => round(LEFT + (Math.log2(ratio) - low) / (high - low) * (WIDTH - LEFT - RIGHT))
  }
}

function legend () {
  let x = 16
  return BARS.map((peer) => {
    const { name } = PEERS[peer]
    const entry = `<rect class="${peer}" x="${x}" y="41" width="12" height="12" rx="2"/><text x="${x + 18}" y="51">${escape(name)}</text>`
    x += 42 + name.length * 7
    return entry
  }).join('\n')
}

function gridLine (tick, x, bottom) {
  return `<line class="grid" x1="${x}" x2="${x}" y1="${TOP - 4}" y2="${bottom}"/>` +
    `<text class="soft" x="${x}" y="${TOP - 10}" text-anchor="middle">${tick === 1 ? 'ws' : `${tick} ×`}</text>`
}

function drawGroup ({ label, bars }, top, x) {
  const middle = top + bars.length * BAR / 2 + 4
  return `<text x="${LEFT - 14}" y="${middle}" text-anchor="end">${escape(label)}</text>\n` +
    bars.map((bar, i) => drawBar(bar, top + i * BAR, x)).join('\n')
}

function drawBar ({ peer, value }, y, x) {
  const [from, to] = [x(1), x(value)].sort((a, b) => a - b)
  return `<rect class="${peer}" x="${from}" y="${y}" width="${round(to - from)}" height="${BAR - 2}" rx="1"/>` +
    `<text class="soft" x="${to + 5}" y="${y + BAR - 2.5}">${value.toFixed(value < 10 ? 2 : 1)}</text>`
}

function describe ({ label, bars }) {
  return escape(`${label}: ${bars.map(({ peer, value }) => `${PEERS[peer].name} ${value.toFixed(2)} times ws`).join(', ')}`)
}

function round (value) {
  return Math.round(value * 10) / 10
}

function escape (text) {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
}

module.exports = { chart }
