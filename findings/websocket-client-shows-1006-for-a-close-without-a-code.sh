#!/usr/bin/env bash
# The client of `websocket` 1.0.35 shows a server's close frame without a code as 1006, 'Connection dropped by remote peer.',
# both in its own API and in its `w3cwebsocket`. RFC 6455, section 7.1.5, makes that 1005: 1006 says that no close frame has
# come. The client has read the frame, since it answers with 1000. A server of `ws` sends such a frame for `close()`. So a
# client that connects again after 1006 does so after each orderly close. The client of `ws` 8.23.0 shows 1005.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund websocket@1.0.35 ws@8.23.0 > /dev/null

cat > closes.mjs <<'JS'
import { once } from 'node:events'
import websocket from 'websocket'
import { WebSocket, WebSocketServer } from 'ws'

const closeOf = (client) => new Promise((resolve) => { client.onclose = ({ code, reason }) => resolve([code, reason]) })
const clients = {
  ws: (url) => closeOf(new WebSocket(url)),
  w3cwebsocket: (url) => closeOf(new websocket.w3cwebsocket(url)),
  websocket: async (url) => {
    const client = new websocket.client()
    client.connect(url)
    const [connection] = await once(client, 'connect')
    return once(connection, 'close')
  }
}

for (const [name, seenBy] of Object.entries(clients)) {
  for (const code of [1000, undefined]) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    const answered = new Promise((resolve) => server.on('connection', (ws) => {
      ws.on('close', resolve)
      ws.close(code)
    }))
    const seen = await seenBy(`ws://127.0.0.1:${server.address().port}/`)
    console.log(`server sends ${code ?? 'no code'}, ${name} sees ${seen.filter(Boolean).join(' ')}, client answers ${await answered}`)
    server.close()
  }
}
process.exit()
JS

node --version
node -p "'websocket ' + require('websocket/package.json').version"
seen=$(timeout 30 node closes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
server sends 1000, ws sees 1000, client answers 1000
server sends no code, ws sees 1005, client answers 1005
server sends 1000, w3cwebsocket sees 1000 Normal connection closure, client answers 1000
server sends no code, w3cwebsocket sees 1006 Connection dropped by remote peer., client answers 1000
server sends 1000, websocket sees 1000 Normal connection closure, client answers 1000
server sends no code, websocket sees 1006 Connection dropped by remote peer., client answers 1000
SEEN
