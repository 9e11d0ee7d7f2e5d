#!/usr/bin/env bash
# Two programs of Debian 12 put the close code 1005 into a close frame, which RFC 6455, section 7.4.1, forbids: 1005 stands
# for a frame without a code. The client of libanyevent-websocket-client-perl 0.54 answers each close of a server with it,
# whatever code the server has sent. The server of websockify 0.10.0 answers a close without a code with it. The other side
# of both, `ws` 8.23.0, fails the connection for an invalid code and shows 1006, as for a lost connection, though both
# sides have closed in order.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status libanyevent-websocket-client-perl websockify > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq libanyevent-websocket-client-perl websockify > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > client.pl <<'PERL'
use strict;
use warnings;
use AnyEvent;
use AnyEvent::WebSocket::Client;

my $finished = AnyEvent->condvar;
my $connection = AnyEvent::WebSocket::Client->new->connect($ARGV[0])->recv;
$connection->on(finish => sub { $finished->send });
$finished->recv;
print 'shows ', $connection->close_code // 'no code';
PERL
cat > closes.mjs <<'JS'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'

function outcome (ws) { // of a connection of `ws`
  const errors = []
  ws.on('error', ({ message }) => errors.push(message))
  return new Promise((resolve) => ws.on('close', (code) => resolve([code, ...errors].join(', '))))
}

for (const code of [1000, 4001, undefined]) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const got = new Promise((resolve) => server.on('connection', (ws) => {
    resolve(outcome(ws))
    ws.close(code)
  }))
  const shown = await new Promise((resolve, reject) => {
    execFile('/usr/bin/perl', ['client.pl', `ws://127.0.0.1:${server.address().port}/`], { timeout: 20_000 }, (error, stdout) => error ? reject(error) : resolve(stdout))
  })
  console.log(`AnyEvent: the server sends ${code ?? 'no code'}, the client ${shown}, the server gets ${await got}`)
  server.close()
}

const target = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
const free = net.createServer().listen(0, '127.0.0.1')
await Promise.all([once(target, 'listening'), once(free, 'listening')])
const { port } = free.address()
free.close()
await once(free, 'close')
const websockify = spawn('/usr/bin/python3', ['-m', 'websockify', `127.0.0.1:${port}`, `127.0.0.1:${target.address().port}`], { stdio: 'ignore' })
process.on('exit', () => websockify.kill('SIGKILL'))

async function connect () {
  for (;;) {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`)
    try {
      await once(ws, 'open')
      return ws
    } catch {
      await sleep(50)
    }
  }
}

for (const code of [1000, 4001, undefined]) {
  const ws = await connect()
  ws.close(code)
  console.log(`websockify: the client sends ${code ?? 'no code'} and gets ${await outcome(ws)}`)
}
process.exit()
JS

dpkg-query --show libanyevent-websocket-client-perl websockify
node --version
seen=$(timeout 60 node closes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
AnyEvent: the server sends 1000, the client shows 1000, the server gets 1006, Invalid WebSocket frame: invalid status code 1005
AnyEvent: the server sends 4001, the client shows 4001, the server gets 1006, Invalid WebSocket frame: invalid status code 1005
AnyEvent: the server sends no code, the client shows no code, the server gets 1006, Invalid WebSocket frame: invalid status code 1005
websockify: the client sends 1000 and gets 1000
websockify: the client sends 4001 and gets 4001
websockify: the client sends no code and gets 1006, Invalid WebSocket frame: invalid status code 1005
SEEN
