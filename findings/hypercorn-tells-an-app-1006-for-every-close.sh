#!/usr/bin/env bash
# An app on Hypercorn 0.13.2 (Debian 12) gets `websocket.disconnect` with the code 1006 however a client closes. The
# specification of ASGI has there the code of the close, and 1005 if the close frame has none. Hypercorn has read the code, since
# its own close frame echoes it. Uvicorn 0.17.6 tells the same app the code. So an app that treats 1000 and 1001 as the
# end of a visit, and 1006 as a fault, sees faults only, and only behind this server.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status python3-hypercorn python3-uvicorn python3-websockets > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq python3-hypercorn python3-uvicorn python3-websockets > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > app.py <<'PY'
async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        while True:
            event = await receive()
            await send({'type': event['type'] + '.complete'})
    await receive()
    await send({'type': 'websocket.accept'})
    event = await receive()
    print(int(event['code']), flush=True)
PY
cat > closes.mjs <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

async function freePort () {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function connect (port) {
  for (;;) {
    const ws = new WebSocket(`ws://127.0.0.1:${port}/`)
    try {
      await once(ws, 'open')
      return ws
    } catch {
      await sleep(50)
    }
  }
}

const servers = {
  hypercorn: (port) => ['-m', 'hypercorn', 'app:app', '--bind', `127.0.0.1:${port}`],
  uvicorn: (port) => ['-m', 'uvicorn', 'app:app', '--port', port]
}

for (const [name, args] of Object.entries(servers)) {
  const port = await freePort()
  const server = spawn('/usr/bin/python3', args(port), { stdio: ['ignore', 'pipe', 'ignore'] })
  process.on('exit', () => server.kill('SIGKILL'))
  const lines = createInterface(server.stdout)
  for (const code of [1000, 1001, 4001, undefined]) {
    const ws = await connect(port)
    const told = once(lines, 'line') // the first and only line that the app prints for a connection
    ws.close(code)
    const [answer] = await once(ws, 'close')
    console.log(`${name}: the client sends ${code ?? 'no code'}, the server answers ${answer}, the app gets ${await told}`)
  }
  server.kill('SIGKILL')
}
process.exit()
JS

dpkg-query --show python3-hypercorn python3-uvicorn
node --version
seen=$(timeout 60 node closes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
hypercorn: the client sends 1000, the server answers 1000, the app gets 1006
hypercorn: the client sends 1001, the server answers 1001, the app gets 1006
hypercorn: the client sends 4001, the server answers 4001, the app gets 1006
hypercorn: the client sends no code, the server answers 1005, the app gets 1006
uvicorn: the client sends 1000, the server answers 1000, the app gets 1000
uvicorn: the client sends 1001, the server answers 1001, the app gets 1001
uvicorn: the client sends 4001, the server answers 4001, the app gets 4001
uvicorn: the client sends no code, the server answers 1005, the app gets 1005
SEEN
