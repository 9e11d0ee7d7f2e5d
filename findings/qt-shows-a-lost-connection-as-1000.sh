#!/usr/bin/env bash
# The WebSocket client of Qt 5.15 and Qt 6.4 (Debian 12, through PyQt) has the close code 1000, normal closure, where no close
# frame has come: for a handshake that the server refuses with 403, and for an open connection that is lost. RFC 6455,
# section 7.1.5, makes that 1006, and `ws` 8.23.0 shows 1006. Qt emits an error in both cases, but `disconnected` comes with
# the code 1000 and an empty reason, as after an orderly close. So a program that connects again unless `closeCode()` is
# 1000 stays away for good.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status python3-pyqt5.qtwebsockets python3-pyqt6.qtwebsockets > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq python3-pyqt5.qtwebsockets python3-pyqt6.qtwebsockets > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > client.py <<'PY'
import importlib, sys

def load(name):
    return importlib.import_module(f'{sys.argv[1]}.{name}')

core = load('QtCore')
app = core.QCoreApplication([])
ws = load('QtWebSockets').QWebSocket()

def disconnected():
    code = ws.closeCode()
    print(getattr(code, 'value', code), repr(ws.closeReason()), end='')
    core.QTimer.singleShot(0, app.quit)

ws.disconnected.connect(disconnected)
ws.open(core.QUrl(sys.argv[2]))
app.exec()
PY
cat > closes.mjs <<'JS'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'

const sockets = new WebSocketServer({ noServer: true })
const server = http.createServer()
server.on('upgrade', (request, socket, head) => {
  if (request.url === '/refused') return socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  sockets.handleUpgrade(request, socket, head, (ws) => {
    ws.on('error', () => {})
    if (request.url === '/closed') ws.close(4001, 'so long')
    else ws.terminate()
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = `ws://127.0.0.1:${server.address().port}`

const qt = (binding) => (url) => new Promise((resolve, reject) => {
  execFile('/usr/bin/python3', ['client.py', binding, url], { timeout: 20_000 }, (error, stdout) => error ? reject(error) : resolve(stdout))
})
const clients = {
  'Qt 5': qt('PyQt5'),
  'Qt 6': qt('PyQt6'),
  ws: (url) => new Promise((resolve) => {
    new WebSocket(url).on('error', () => {}).on('close', (code, reason) => resolve(`${code} '${reason}'`))
  })
}

for (const [name, closeOf] of Object.entries(clients)) {
  for (const what of ['closed', 'lost', 'refused']) console.log(`${name}, ${what}: ${await closeOf(`${address}/${what}`)}`)
}
process.exit()
JS

dpkg-query --show libqt5websockets5 libqt6websockets6
node --version
seen=$(timeout 60 node closes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
Qt 5, closed: 4001 'so long'
Qt 5, lost: 1000 ''
Qt 5, refused: 1000 ''
Qt 6, closed: 4001 'so long'
Qt 6, lost: 1000 ''
Qt 6, refused: 1000 ''
ws, closed: 4001 'so long'
ws, lost: 1006 ''
ws, refused: 1006 ''
SEEN
