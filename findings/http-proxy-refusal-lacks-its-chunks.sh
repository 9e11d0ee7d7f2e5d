#!/usr/bin/env bash
# http-proxy 1.18.1 passes on the answer of a server that refuses a WebSocket handshake with a chunked body: the header
# `transfer-encoding: chunked` stays, but the bytes of the body follow without chunks. RFC 9112, section 6.1, lets a proxy
# decode a body only if it changes that header as well. So a client gets the status and no body: the `ws` client reports an
# invalid chunk size. A refusal with a content-length arrives whole. http-proxy-3 2.0.1 and httpxy 0.5.6 pass on the chunks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund http-proxy@1.18.1 http-proxy-3@2.0.1 httpxy@0.5.6 ws@8.23.0 > /dev/null

cat > refusals.mjs <<'JS'
import { once } from 'node:events'
import http from 'node:http'
import { text } from 'node:stream/consumers'
import httpProxy from 'http-proxy'
import { createProxyServer as createHttpProxy3 } from 'http-proxy-3'
import { createProxyServer as createHttpxy } from 'httpxy'
import { WebSocket } from 'ws'

async function listen (server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

/** What a client reads of a refusal. */
function read (url) {
  const ws = new WebSocket(url)
  return new Promise((resolve) => ws.on('unexpected-response', (request, response) => {
    const { statusCode, headers } = response
    const show = (body) => resolve(`${statusCode}, ${headers['content-length'] ?? headers['transfer-encoding']}, ${body}`)
    ws.on('error', ({ code }) => show(code))
    text(response).then((body) => show(JSON.stringify(body)), () => {})
  }))
}

const server = http.createServer((request, response) => {
  response.writeHead(403, { Connection: 'close', ...request.url === '/length' && { 'Content-Length': 8 } })
  response.write('no ')
  response.end('entry')
})
const port = await listen(server)
const ports = { 'no proxy': port }
for (const [name, createProxy] of Object.entries({ 'http-proxy': httpProxy.createProxyServer, 'http-proxy-3': createHttpProxy3, httpxy: createHttpxy })) {
  const proxy = createProxy({ target: `http://127.0.0.1:${port}` })
  ports[name] = await listen(http.createServer().on('upgrade', (request, socket, head) => proxy.ws(request, socket, {}, head)))
}

for (const [name, port] of Object.entries(ports)) {
  for (const path of ['/length', '/chunked']) console.log(`${name}: ${await read(`ws://127.0.0.1:${port}${path}`)}`)
}
process.exit()
JS

node --version
node -p "'http-proxy ' + require('http-proxy/package.json').version"
seen=$(timeout 30 node --no-warnings refusals.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
no proxy: 403, 8, "no entry"
no proxy: 403, chunked, "no entry"
http-proxy: 403, 8, "no entry"
http-proxy: 403, chunked, HPE_INVALID_CHUNK_SIZE
http-proxy-3: 403, 8, "no entry"
http-proxy-3: 403, chunked, "no entry"
httpxy: 403, 8, "no entry"
httpxy: 403, chunked, "no entry"
SEEN
