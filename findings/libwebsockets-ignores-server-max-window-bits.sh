#!/usr/bin/env bash
# The test server of libwebsockets 4.1.6 (Debian 12) takes the offer `permessage-deflate; server_max_window_bits=9`, answers
# `permessage-deflate` alone, and compresses with a larger window. RFC 7692, section 7.1.2.1, has a server decline this offer
# if it does not support the parameter. So the messages inflate with a window of 15 bits, and not with the 9 bits that the
# client has asked for. The parameter `server_no_context_takeover` is answered. A client that has no memory for the largest
# window has to look for the parameter in the answer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! dpkg --status libwebsockets-test-server > /dev/null 2>&1; then
  apt-get update -qq
  apt-get install -y -qq libwebsockets-test-server > /dev/null
fi

cat > window.mjs <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { constants, inflateRawSync } from 'node:zlib'

const CLIENTS = 20 // the protocol lws-status sends a list of all clients to all clients, whenever one is added
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

async function freePort () {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

const port = await freePort()
const server = spawn('libwebsockets-test-server', [`--port=${port}`, '-i', 'lo'], { stdio: 'ignore' })
process.on('exit', () => server.kill('SIGKILL'))
setTimeout(() => process.exit(1), 30_000)

async function until (condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function connect () {
  for (;;) {
    const socket = net.connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return socket
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

async function open (offer) {
  const socket = await connect()
  const client = { bytes: Buffer.alloc(0) }
  socket.on('data', (chunk) => { client.bytes = Buffer.concat([client.bytes, chunk]) })
  socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: lws-status\r\nSec-WebSocket-Extensions: ${offer}\r\n\r\n`)
  await until(() => client.bytes.includes('\r\n\r\n'))
  client.answer = /^Sec-WebSocket-Extensions: (.*)\r$/im.exec(client.bytes.toString('latin1'))?.[1]
  return client
}

/** The complete messages that a client has received, compressed. */
function messages ({ bytes }) {
  const payloads = []
  for (let at = bytes.indexOf('\r\n\r\n') + 4; at + 4 <= bytes.length;) {
    const isLong = bytes[at + 1] === 126
    const start = at + (isLong ? 4 : 2)
    const end = start + (isLong ? bytes.readUInt16BE(at + 2) : bytes[at + 1])
    if (end > bytes.length) break
    payloads.push(bytes.subarray(start, end))
    at = end
  }
  return payloads
}

/** Small chunks, since zlib may refer to what is still in its chunk, beyond the window. */
function inflate (payloads, windowBits) {
  const stream = Buffer.concat(payloads.flatMap((payload) => [payload, TAIL]))
  try {
    const text = inflateRawSync(stream, { windowBits, chunkSize: 64, finishFlush: constants.Z_SYNC_FLUSH }).toString()
    return text.includes(`"wsi":"${CLIENTS}"`) ? 'the list of all clients' : 'another text'
  } catch (error) {
    return error.message
  }
}

const other = await open('permessage-deflate; server_no_context_takeover')
console.log('server_no_context_takeover, answer:', other.answer)
const client = await open('permessage-deflate; server_max_window_bits=9')
console.log('server_max_window_bits=9, answer:', client.answer)
for (let clients = 2; clients < CLIENTS; clients++) {
  const { length } = messages(client)
  await open('permessage-deflate')
  await until(() => messages(client).length > length)
}
for (const windowBits of [15, 9]) console.log(`inflated with ${windowBits} bits: ${inflate(messages(client), windowBits)}`)
process.exit()
JS

dpkg-query --show libwebsockets-test-server
node --version
seen=$(node window.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
server_no_context_takeover, answer: permessage-deflate; server_no_context_takeover
server_max_window_bits=9, answer: permessage-deflate
inflated with 15 bits: the list of all clients
inflated with 9 bits: invalid distance too far back
SEEN
