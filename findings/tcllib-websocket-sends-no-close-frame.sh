#!/usr/bin/env bash
# The WebSocket client of tcllib 1.21 (Debian 12, package websocket 1.4.2) never sends a close frame. Its manual says that
# `::websocket::close` closes gracefully and sends the code and the reason. The procedure marks the connection as closed
# first, and the frame stays behind. So the client only ends TCP, and the server sees 1006. RFC 6455, section 5.5.1,
# requires a close frame as the answer to one, and the client sends none there either. A server cannot tell a Tcl program
# that leaves in order from one whose line is cut. The client of python3-websockets 10.4 sends both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status tcl tcllib python3-websockets > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq tcl tcllib python3-websockets > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > client.tcl <<'TCL'
package require websocket
logger::setlevel critical

proc handler {sock type message} {
  switch $type {
    text { ::websocket::close $sock 4000 bye }
    close { set ::seen $message }
    disconnect { puts -nonewline "shows [lindex $::seen 0]"; exit }
  }
}
::websocket::open [lindex $argv 0] handler -protocol chat
vwait forever
TCL
cat > client.py <<'PY'
import asyncio, sys, websockets

async def main():
    async with websockets.connect(sys.argv[1]) as ws:
        async for message in ws:
            await ws.close(4000, 'bye')
        await ws.wait_closed()
        print('shows', ws.close_code, end='')

try:
    asyncio.run(main())
except websockets.ConnectionClosedError as error:
    print('shows', error.code, end='')
PY
cat > server.mjs <<'JS'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { WebSocketServer } from 'ws'

const clients = { tcllib: ['/usr/bin/tclsh', 'client.tcl'], 'python3-websockets': ['/usr/bin/python3', 'client.py'] }
const ends = {
  'the client closes with 4000': (ws) => ws.send('close, please'),
  'the server closes with 4001': (ws) => ws.close(4001)
}

for (const [name, [program, script]] of Object.entries(clients)) {
  for (const [what, end] of Object.entries(ends)) {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    const got = new Promise((resolve) => server.on('connection', (ws) => {
      ws.on('close', resolve)
      end(ws)
    }))
    const shown = new Promise((resolve, reject) => {
      execFile(program, [script, `ws://127.0.0.1:${server.address().port}/`], { timeout: 20_000 }, (error, stdout) => error ? reject(error) : resolve(stdout))
    })
    console.log(`${name}, ${what}: client ${await shown}, server gets ${await got}`)
    server.close()
  }
}
JS

dpkg-query --show tcllib python3-websockets
seen=$(timeout 60 node server.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
tcllib, the client closes with 4000: client shows 4000, server gets 1006
tcllib, the server closes with 4001: client shows 4001, server gets 1006
python3-websockets, the client closes with 4000: client shows 4000, server gets 4000
python3-websockets, the server closes with 4001: client shows 4001, server gets 4001
SEEN
