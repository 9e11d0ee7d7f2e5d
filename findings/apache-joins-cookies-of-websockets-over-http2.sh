#!/usr/bin/env bash
# Apache 2.4.71 (Debian 12) with `H2WebSockets on` joins the Set-Cookie headers of the app's answer to a WebSocket over HTTP/2
# (RFC 8441) into one header with a comma. RFC 6265, section 3, says that this changes the meaning: a browser keeps the
# cookie `a` and loses `b`. On the same HTTP/2 connection, the cookies of a page stay apart, and so do those of the same
# WebSocket over HTTP/1.1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status apache2-bin openssl > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq apache2-bin openssl > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem 2> /dev/null

cat > cookies.mjs <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

const COOKIES = ['a=1; Path=/', 'b=2; Path=/']
const TLS = { rejectUnauthorized: false }

const app = http.createServer((request, response) => response.setHeader('Set-Cookie', COOKIES).end('a page'))
new WebSocketServer({ server: app })
  .on('headers', (headers) => headers.push(...COOKIES.map((cookie) => `Set-Cookie: ${cookie}`)))
  .on('connection', (ws) => ws.on('error', () => {}))
app.listen(0, '127.0.0.1')
await once(app, 'listening')

async function freePort () {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

const port = await freePort()
const modules = ['mpm_event', 'authz_core', 'ssl', 'http2', 'proxy', 'proxy_http']
writeFileSync('apache.conf', `
ServerRoot ${process.cwd()}
DefaultRuntimeDir ${process.cwd()}
PidFile apache.pid
ErrorLog error.log
ServerName localhost
Listen 127.0.0.1:${port}
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
SSLEngine on
SSLCertificateFile cert.pem
SSLCertificateKeyFile key.pem
SSLSessionCache none
Protocols h2 http/1.1
H2WebSockets on
ProxyPass / http://127.0.0.1:${app.address().port}/ upgrade=websocket
`)
const apache = spawn('/usr/sbin/apache2', ['-X', '-f', `${process.cwd()}/apache.conf`], { stdio: 'ignore' })
process.on('exit', () => apache.kill('SIGKILL'))
setTimeout(() => process.exit(1), 30_000)

async function connect () {
  for (;;) {
    const session = http2.connect(`https://127.0.0.1:${port}`, TLS)
    try {
      await once(session, 'remoteSettings')
      return session
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

const session = await connect()
async function ask (headers, options) {
  const stream = session.request({ ':path': '/', ...headers }, options)
  const [answer] = await once(stream, 'response')
  stream.close()
  return answer
}
const show = (name, cookies) => console.log(`${name}: ${cookies.join(' | ')}`)

const page = await ask({})
console.log(page.server.split(' ')[0])
show('page over HTTP/2', page['set-cookie'])
const ws = new WebSocket(`wss://127.0.0.1:${port}/`, TLS)
const [[response]] = await Promise.all([once(ws, 'upgrade'), once(ws, 'open')])
show('WebSocket over HTTP/1.1', response.headers['set-cookie'])
const answer = await ask({ ':method': 'CONNECT', ':protocol': 'websocket', 'sec-websocket-version': '13' }, { endStream: false })
show('WebSocket over HTTP/2', answer['set-cookie'])
process.exit()
JS

dpkg-query --show apache2-bin
node --version
seen=$(node cookies.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
Apache/2.4.71
page over HTTP/2: a=1; Path=/ | b=2; Path=/
WebSocket over HTTP/1.1: a=1; Path=/ | b=2; Path=/
WebSocket over HTTP/2: a=1; Path=/, b=2; Path=/
SEEN
