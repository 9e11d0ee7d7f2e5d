#!/usr/bin/env bash
# The client of websocket.el 1.13 (Debian 12, elpa-websocket, Emacs 28.2) calls `on-open` also for a handshake that the server
# refuses. Its documentation says that `on-open` is called after the connection is established. For a 403, the client
# calls `on-close`, then `on-error`, then `on-open`, and its state is `open` from then on. For an accepted handshake, it
# calls `on-open` alone, until the connection ends. So a program that counts an open connection by `on-open`, and sends its
# first message there, ends with a connection that it takes for open.
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
(defvar opened nil)
(defun show (name ws) (princ (format "%s, state %s\n" name (websocket-ready-state ws))))
(websocket-open (car command-line-args-left)
  :on-open (lambda (ws)
    (show "on-open" ws)
    (setq opened t))
  :on-error (lambda (ws callback error) (show (format "on-error %S" error) ws))
  :on-close (lambda (ws) (show "on-close" ws)))
(while (not opened) (accept-process-output nil 0.1))
(kill-emacs)
ELISP
cat > handshakes.mjs <<'JS'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, verifyClient: ({ req }, decide) => decide(req.url !== '/refused', 403) })
await once(server, 'listening')
server.on('connection', (ws) => ws.on('error', () => {}))

for (const path of ['accepted', 'refused']) {
  const shown = await new Promise((resolve, reject) => {
    execFile('/usr/bin/emacs', ['--batch', '--load', 'client.el', `ws://127.0.0.1:${server.address().port}/${path}`], { timeout: 20_000 }, (error, stdout) => error ? reject(error) : resolve(stdout))
  })
  console.log(`${path}:\n${shown.trimEnd()}`)
}
process.exit()
JS

dpkg-query --show elpa-websocket emacs-nox
node --version
seen=$(timeout 60 node handshakes.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
accepted:
on-open, state open
refused:
on-close, state connecting
on-error (websocket-received-error-http-response 403), state closed
on-open, state open
SEEN
