#!/usr/bin/env bash
# A server of gevent-websocket 0.10.1 (Debian 12, Python 3) answers a close frame that has a code and a reason with the code
# 25209 and the reason `tearray(b'bye')`. It takes the received bytes for text: the first two letters of `bytearray` are
# the code. RFC 6455, section 7.4, has no code above 4999, so a client of `ws` 8.23.0 fails the connection and shows 1006.
# Without a reason, the answer has no code at all, and the client shows 1005. So no client gets the code that it has sent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status python3-gevent-websocket > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq python3-gevent-websocket > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > server.py <<'PY'
from collections import OrderedDict
from geventwebsocket import Resource, WebSocketApplication, WebSocketServer

server = WebSocketServer(('127.0.0.1', 0), Resource(OrderedDict({'/': WebSocketApplication})))
server.start()
print(server.address[1], flush=True)
server.serve_forever()
PY
cat > closes.mjs <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { WebSocket } from 'ws'

const server = spawn('/usr/bin/python3', ['server.py'], { stdio: ['ignore', 'pipe', 'ignore'] })
process.on('exit', () => server.kill('SIGKILL'))
const [port] = await once(server.stdout, 'data')

async function closeWith (...close) {
  const ws = new WebSocket(`ws://127.0.0.1:${Number(port)}/`)
  await once(ws, 'open')
  const errors = []
  ws.on('error', ({ message }) => errors.push(message))
  ws._socket.on('data', (frame) => {
    if (frame[1] > 2) console.log(`  a close frame: ${frame.readUInt16BE(2)} ${frame.subarray(4)}`)
  })
  ws.close(...close)
  const code = await new Promise((resolve) => ws.on('close', resolve))
  console.log(`the client sends ${close.join(' ')} and gets ${[code, ...errors].join(', ')}`)
}

await closeWith(4001, 'bye')
await closeWith(1000)
process.exit()
JS

dpkg-query --show python3-gevent-websocket
node --version
seen=$(timeout 30 node closes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
  a close frame: 25209 tearray(b'bye')
the client sends 4001 bye and gets 1006, Invalid WebSocket frame: invalid status code 25209
the client sends 1000 and gets 1005
SEEN
