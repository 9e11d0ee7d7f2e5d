#!/usr/bin/env bash
# The client of aiohttp 3.8.4 (Debian 12, python3-aiohttp) answers each close frame with 1000. Its own `close_code` is the
# server's code. RFC 6455, section 5.5.1, says that an endpoint typically echoes the code that it has received.
# python3-websockets 10.4 echoes the code. So a server that counts closes by the code of the client's answer counts 4001
# and 1012 as 1000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status python3-aiohttp python3-websockets > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq python3-aiohttp python3-websockets > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > aiohttp_client.py <<'PY'
import aiohttp, asyncio, sys
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(sys.argv[1]) as ws:
            await ws.receive()
            print('aiohttp sees', ws.close_code, end='')
asyncio.run(main())
PY
cat > websockets_client.py <<'PY'
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as ws:
        await ws.wait_closed()
        print('websockets sees', ws.close_code, end='')
asyncio.run(main())
PY
cat > server.mjs <<'JS'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { WebSocketServer } from 'ws'

for (const client of ['aiohttp_client.py', 'websockets_client.py']) {
  for (const code of [4001, 1012]) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    const answered = new Promise((resolve) => server.on('connection', (ws) => {
      ws.on('close', resolve)
      ws.close(code)
    }))
    const seen = new Promise((resolve, reject) => {
      execFile('/usr/bin/python3', [client, `ws://127.0.0.1:${server.address().port}/`], { timeout: 20_000 }, (error, stdout) => error ? reject(error) : resolve(stdout))
    })
    console.log(`server sends ${code}, ${await seen}, client answers ${await answered}`)
    server.close()
  }
}
JS

dpkg-query --show python3-aiohttp python3-websockets
seen=$(node server.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
server sends 4001, aiohttp sees 4001, client answers 1000
server sends 1012, aiohttp sees 1012, client answers 1000
server sends 4001, websockets sees 4001, client answers 4001
server sends 1012, websockets sees 1012, client answers 1012
SEEN
