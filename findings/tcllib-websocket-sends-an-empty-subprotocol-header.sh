#!/usr/bin/env bash
# The WebSocket client of tcllib 1.21 (Debian 12, package websocket 1.4.2) sends the header Sec-WebSocket-Protocol with an
# empty value if its caller offers no subprotocol. RFC 6455, section 4.3, has at least one name in that header, and section
# 4.1 leaves the header out where nothing is offered. Servers of `ws` 8.23.0 and of python3-websockets 10.4 answer such a
# handshake with 400. With the option `-protocol`, the client opens a connection to both. So the client as its manual
# shows it, with a URL and a handler, gets no connection to servers that check the header.
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
    connect { puts -nonewline "opens"; exit }
    error { puts -nonewline "fails, [join [regexp -inline {code \d+} $message]]"; exit }
  }
}
::websocket::open [lindex $argv 0] handler {*}[lrange $argv 1 end]
vwait forever
TCL
cat > server.py <<'PY'
import asyncio, websockets

async def main():
    server = await websockets.serve(lambda ws, path: ws.wait_closed(), '127.0.0.1', 0, subprotocols=['chat'])
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
PY
cat > handshakes.mjs <<'JS'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
await once(server, 'listening')
const header = 'sec-websocket-protocol'
server.on('wsClientError', (error, socket, { headers }) => {
  console.log(`the header is ${header in headers ? JSON.stringify(headers[header]) : 'missing'}: ${error.message}`)
  socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
})
const python = spawn('/usr/bin/python3', ['server.py'])
process.on('exit', () => python.kill('SIGKILL'))
const [line] = await once(python.stdout, 'data')

for (const [name, port] of Object.entries({ ws: server.address().port, 'python3-websockets': Number(line) })) {
  for (const options of [[], ['-protocol', 'chat']]) {
    const shown = await new Promise((resolve, reject) => {
      execFile('/usr/bin/tclsh', ['client.tcl', `ws://127.0.0.1:${port}/`, ...options], { timeout: 20_000 }, (error, stdout) => error ? reject(error) : resolve(stdout))
    })
    console.log(`${name}, ${options.join(' ') || 'no option'}: ${shown}`)
  }
}
process.exit()
JS

dpkg-query --show tcllib python3-websockets
node --version
seen=$(timeout 60 node handshakes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
the header is "": Invalid Sec-WebSocket-Protocol header
ws, no option: fails, code 400
ws, -protocol chat: opens
python3-websockets, no option: fails, code 400
python3-websockets, -protocol chat: opens
SEEN
