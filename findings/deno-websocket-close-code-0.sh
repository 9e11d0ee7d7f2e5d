#!/usr/bin/env bash
# In Deno 2.9.6, when a server refuses the handshake of the built-in WebSocket with 403, the `close` event has code 0. The
# WebSocket standard requires 1006. A client that looks the code up in a table, or that retries after 1006, gets a code that
# no close frame can have.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund deno@2.9.6 > /dev/null

cat > refused.mjs <<'JS'
import { createServer } from 'node:net'

const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
})
server.listen(0, '127.0.0.1', () => {
  const ws = new WebSocket(`ws://127.0.0.1:${server.address().port}/`)
  ws.onclose = ({ code, wasClean }) => {
    console.log(`close ${code}, wasClean ${wasClean}, readyState ${ws.readyState}`)
    process.exit()
  }
  setTimeout(() => { console.log('no close event'); process.exit() }, 5000)
})
JS

npx deno --version | head -n 1
seen=$(npx deno run --quiet --allow-all refused.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
close 0, wasClean false, readyState 3
SEEN
