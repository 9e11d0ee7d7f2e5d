#!/usr/bin/env bash
# The client of faye-websocket 0.11.4 (with websocket-driver 0.8.0) shows the close codes 1012, 1013 and 1014 of a server as
# 1002, protocol error, and sends 1002 back. The reason of the server stays. These codes are registered with IANA: service
# restart, try again later, bad gateway. So a client that waits after 1013 does not wait, and the server counts protocol
# errors. Codes of RFC 6455, such as 1011, and private codes, such as 4001, stay as they are. The `ws` client keeps all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund faye-websocket@0.11.4 websocket-driver@0.8.0 ws@8.23.0 > /dev/null

cat > closes.mjs <<'JS'
import { once } from 'node:events'
import faye from 'faye-websocket'
import { WebSocket, WebSocketServer } from 'ws'

for (const [name, Client] of Object.entries({ faye: faye.Client, ws: WebSocket })) {
  for (const code of [1011, 1012, 1013, 1014, 4001]) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    const answered = new Promise((resolve) => server.on('connection', (ws) => {
      ws.on('close', resolve)
      ws.close(code, 'later')
    }))
    const client = new Client(`ws://127.0.0.1:${server.address().port}/`)
    const seen = await new Promise((resolve) => { client.onclose = resolve })
    console.log(`server sends ${code}, ${name} sees ${seen.code} ${seen.reason}, client answers ${await answered}`)
    server.close()
  }
}
JS

node --version
node -p "'websocket-driver ' + require('websocket-driver/package.json').version"
seen=$(timeout 30 node closes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
server sends 1011, faye sees 1011 later, client answers 1011
server sends 1012, faye sees 1002 later, client answers 1002
server sends 1013, faye sees 1002 later, client answers 1002
server sends 1014, faye sees 1002 later, client answers 1002
server sends 4001, faye sees 4001 later, client answers 4001
server sends 1011, ws sees 1011 later, client answers 1011
server sends 1012, ws sees 1012 later, client answers 1012
server sends 1013, ws sees 1013 later, client answers 1013
server sends 1014, ws sees 1014 later, client answers 1014
server sends 4001, ws sees 4001 later, client answers 4001
SEEN
