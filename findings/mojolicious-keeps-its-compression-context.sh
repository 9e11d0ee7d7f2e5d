#!/usr/bin/env bash
# The WebSocket client of Mojolicious 9.31 (Debian 12, libmojolicious-perl) offers `permessage-deflate`, and compresses each
# message with reference to those before it even if the server answers `client_no_context_takeover`. RFC 7692, section
# 7.1.1.2, forbids that. A server of ws 8.23.0 with `clientNoContextTakeover: true` reads the first message, and fails the
# connection with 1007 at the second, equal one. Without the option it reads both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status libmojolicious-perl > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq libmojolicious-perl > /dev/null
fi
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > client.pl <<'PL'
use Mojo::UserAgent;
use Mojo::IOLoop;
my $ua = Mojo::UserAgent->new;
my $tx = $ua->build_websocket_tx($ARGV[0]);
$tx->req->headers->sec_websocket_extensions('permessage-deflate');
$ua->start($tx => sub {
  my ($ua, $tx) = @_;
  my $text = 'the same text ' x 40;
  $tx->on(finish => sub { Mojo::IOLoop->stop });
  $tx->send($text => sub { $tx->send($text => sub {}) });
});
Mojo::IOLoop->timer(10 => sub { Mojo::IOLoop->stop });
Mojo::IOLoop->start;
PL
cat > server.mjs <<'JS'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { WebSocketServer } from 'ws'

for (const clientNoContextTakeover of [false, true]) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: clientNoContextTakeover ? { clientNoContextTakeover } : true })
  await once(server, 'listening')
  const child = execFile('perl', ['client.pl', `ws://127.0.0.1:${server.address().port}/`], { timeout: 20_000 })
  let messages = 0
  let error = 'no error'
  const offer = await new Promise((resolve) => server.on('connection', (ws, request) => {
    ws.on('message', () => { if (++messages === 2) ws.close() })
    ws.on('error', () => { error = 'an error' })
    ws.on('close', () => resolve(request.headers['sec-websocket-extensions']))
  }))
  console.log(`offer: ${offer}, clientNoContextTakeover: ${clientNoContextTakeover}: ${messages} of 2 messages, ${error}`)
  child.kill()
  server.close()
}
process.exit()
JS
dpkg-query --show libmojolicious-perl
node --version
seen=$(timeout 60 node server.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
offer: permessage-deflate, clientNoContextTakeover: false: 2 of 2 messages, no error
offer: permessage-deflate, clientNoContextTakeover: true: 1 of 2 messages, an error
SEEN
