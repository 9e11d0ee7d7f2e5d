#!/usr/bin/env bash
# The client of websocket.el 1.13 (Debian 12, elpa-websocket, Emacs 28.2) takes a close frame to be one byte long. It reads
# the rest, that is the length, the code and the reason, as further frames. RFC 6455, section 5.5.1, allows a close frame a
# body. A server that closes with 4001 and the reason 'please come back' makes the client call `on-message`, after
# `on-close`, with a binary message of 15 bytes that nobody has sent: the end of the code and most of the reason. Without a
# reason, no message comes. No callback tells the code or the reason.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status elpa-websocket emacs-nox > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq elpa-websocket emacs-nox > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > client.el <<'ELISP'
(package-initialize)
(require 'websocket)
(defvar closed nil)
(websocket-open (car command-line-args-left)
  :on-message (lambda (ws frame)
    (princ (format "on-message: %s of %d bytes, %S\n" (websocket-frame-opcode frame)
      (length (websocket-frame-payload frame)) (websocket-frame-payload frame))))
  :on-close (lambda (ws)
    (princ "on-close\n")
    (setq closed t)))
(while (not closed) (accept-process-output nil 0.1))
(while (accept-process-output nil 0.1))
(kill-emacs)
ELISP
cat > closes.mjs <<'JS'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { WebSocketServer } from 'ws'

for (const reason of ['', 'please come back']) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  server.on('connection', (ws) => {
    ws.send('hello')
    ws.on('error', () => {}).close(4001, reason)
  })
  const shown = await new Promise((resolve, reject) => {
    execFile('/usr/bin/emacs', ['--batch', '--load', 'client.el', `ws://127.0.0.1:${server.address().port}/`], { timeout: 20_000 }, (error, stdout) => error ? reject(error) : resolve(stdout))
  })
  console.log(`the server sends hello, and closes with 4001 '${reason}':\n${shown.trimEnd()}`)
  server.close()
}
JS

dpkg-query --show elpa-websocket emacs-nox
node --version
seen=$(timeout 60 node closes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
the server sends hello, and closes with 4001 '':
on-message: text of 5 bytes, "hello"
on-close
the server sends hello, and closes with 4001 'please come back':
on-message: text of 5 bytes, "hello"
on-close
on-message: binary of 15 bytes, "\241please come ba"
SEEN
