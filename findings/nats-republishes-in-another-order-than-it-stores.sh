#!/usr/bin/env bash
# A JetStream stream of nats-server 2.9.10 (Debian 12) with `republish` sends messages on in another order than it stores
# them, if several connections publish to one subject. Each message that is sent on has its position in the stream, in the
# header Nats-Sequence. With 8 publishers some positions are lower than the position before them, and none is missing. With
# 1 publisher no position goes back. So a subscriber that notes the position of its newest message, to read on from there
# after an outage, may leave messages out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status nats-server > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq nats-server > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0 > /dev/null

cat > order.mjs <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

const MESSAGES = 4000
const ROUNDS = 10

const server = spawn('nats-server', ['--addr', '127.0.0.1', '--port', '-1', '--jetstream', '--store_dir', 'store', '--ports_file_dir', '.'], { stdio: 'ignore' })
process.on('exit', () => server.kill('SIGKILL'))
setTimeout(() => process.exit(1), 60_000)

async function address () {
  for (;;) {
    const ports = await readFile(`nats-server_${server.pid}.ports`, 'utf8').catch(() => '')
    if (ports) return JSON.parse(ports).nats[0]
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const servers = await address()
const subscriber = await connect({ servers })
const { streams } = await jetstreamManager(subscriber)

/** Publishes to a new stream. Returns the positions of its messages, in the order in which the stream has sent them on. */
async function positions (publishers) {
  const name = `STREAM${publishers}`
  await streams.add({ name, subjects: [`log.${publishers}`], storage: 'memory', republish: { src: `log.${publishers}`, dest: `live.${publishers}` } })
  const received = []
  const all = new Promise((resolve) => subscriber.subscribe(`live.${publishers}`, {
    callback: (error, message) => {
      received.push(error ?? Number(message.headers.get('Nats-Sequence')))
      if (received.length === MESSAGES) resolve()
    }
  }))
  await subscriber.flush()
  const connections = await Promise.all(Array.from({ length: publishers }, () => connect({ servers })))
  for (let i = 0; i < MESSAGES; i++) connections[i % publishers].publish(`log.${publishers}`, 'a message')
  await all
  await Promise.all(connections.map((connection) => connection.close()))
  await streams.delete(name)
  return received
}

for (const publishers of [1, 8]) {
  let goesBack = false
  let isComplete = true
  for (let round = 0; round < ROUNDS; round++) {
    const received = await positions(publishers)
    goesBack ||= received.some((position, i) => position < received[i - 1])
    isComplete &&= new Set(received).size === MESSAGES && Math.min(...received) === 1 && Math.max(...received) === MESSAGES
  }
  console.log(`publishers: ${publishers}, all positions: ${isComplete}, a position goes back: ${goesBack}`)
}
process.exit()
JS

node --version
seen=$(nats-server --version; node order.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
nats-server: v2.9.10
publishers: 1, all positions: true, a position goes back: false
publishers: 8, all positions: true, a position goes back: true
SEEN
