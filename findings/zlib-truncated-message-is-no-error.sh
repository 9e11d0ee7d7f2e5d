#!/usr/bin/env bash
# A compressed WebSocket message (RFC 7692) that lacks its last bytes inflates without an error: `inflateRawSync` of Node 20
# with `finishFlush: Z_SYNC_FLUSH`, the documented way to read what has no final block, returns what it could read. So does
# `ws` 8.23.0, which appends the four bytes 00 00 ff ff: they are read as data, and the message may even get bytes that
# nobody has sent. Only the framing, UTF-8 and a schema tell that something is missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 > /dev/null

cat > inflate.mjs <<'JS'
import { deflateRawSync, inflateRawSync, constants } from 'node:zlib'
import { PerMessageDeflate } from 'ws'

const { Z_SYNC_FLUSH } = constants
const text = JSON.stringify({ type: 'order', items: Array.from({ length: 12 }, (_, i) => ({ id: i * 7919, name: `item ${i}`, price: i * 3.25 })) })
const whole = deflateRawSync(text, { finishFlush: Z_SYNC_FLUSH }).subarray(0, -4)
const cut = whole.subarray(0, -20)

function inflateWithWs (payload) {
  const extension = new PerMessageDeflate({ isServer: true })
  extension.accept([{}])
  return new Promise((resolve) => extension.decompress(payload, true, (error, content) => resolve(error ?? content)))
}

for (const [name, payload] of Object.entries({ whole, cut })) {
  const own = inflateRawSync(payload, { finishFlush: Z_SYNC_FLUSH })
  const ws = await inflateWithWs(payload)
  const describe = (content) => content instanceof Error ? 'an error' : content.equals(Buffer.from(text)) ? 'the text' : text.startsWith(content.toString()) ? 'the beginning of the text' : 'another text'
  console.log(`${name}: zlib ${describe(own)}, ws ${describe(ws)}`)
}
process.exit()
JS
node --version
seen=$(timeout 20 node inflate.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
whole: zlib the text, ws the text
cut: zlib the beginning of the text, ws another text
SEEN
