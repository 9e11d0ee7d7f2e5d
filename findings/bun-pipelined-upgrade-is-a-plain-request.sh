#!/usr/bin/env bash
# The server of node:http on Bun 1.4.5 raises no 'upgrade' for a WebSocket handshake that a client sends behind a request that
# is still being answered, on the same connection (HTTP/1.1 pipelining, RFC 9112, section 9.3.2). The handshake arrives as a
# plain request, with its header Upgrade, and the client gets the answer of that request. Node 20 raises 'upgrade'. A
# handshake that comes alone raises 'upgrade' on both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund bun@1.4.5 > /dev/null

cat > server.mjs <<'JS'
import http from 'node:http'
import net from 'node:net'
import { once } from 'node:events'

const HANDSHAKE = 'GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

async function seen (bytes) {
  const events = []
  const server = http.createServer((request, response) => {
    events.push(`request ${request.url}`)
    setTimeout(() => response.end('ok'), 100)
  })
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => {})
    events.push(`upgrade ${request.url}`)
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect(server.address().port, '127.0.0.1', () => client.write(bytes))
  client.on('error', () => {})
  while (!events.some((event) => event.endsWith('/chat'))) await new Promise((resolve) => setTimeout(resolve, 5))
  client.destroy()
  server.close()
  return events.join(', ')
}

console.log('alone:', await seen(HANDSHAKE))
console.log('behind a request:', await seen('GET /page HTTP/1.1\r\nHost: x\r\n\r\n' + HANDSHAKE))
process.exit()
JS

node --version
echo "bun $(node_modules/.bin/bun --version)"
diff <(timeout 20 node server.mjs) - <<'SEEN'
alone: upgrade /chat
behind a request: request /page, upgrade /chat
SEEN
diff <(timeout 20 node_modules/.bin/bun server.mjs) - <<'SEEN'
alone: upgrade /chat
behind a request: request /page, request /chat
SEEN
echo 'on Bun, the handshake behind a request is a plain request'
