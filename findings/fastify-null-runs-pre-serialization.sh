#!/usr/bin/env bash
# The page about hooks of Fastify 5.12.8 says that Fastify does not call preSerialization for a payload that is null. But
# Fastify calls the hook for `reply.send(null)`, and the response is the JSON text `null` with a content type of JSON.
# `reply.send(undefined)` does not call the hook and sends an empty body. So a library that answers with an empty payload
# has to send undefined.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund fastify@5.12.8 > /dev/null

cat > app.mjs <<'JS'
import { readFile } from 'node:fs/promises'
import Fastify from 'fastify'

const page = (await readFile('node_modules/fastify/docs/Reference/Hooks.md', 'utf8')).replace(/[\s>]+/g, ' ')
console.log('the page says that null does not call the hook:', /hook is NOT called if the payload is a `string`, a `Buffer`, a `stream`, or `null`/.test(page))

const payloads = { null: null, undefined }
for (const [name, payload] of Object.entries(payloads)) {
  let calls = 0
  const app = Fastify()
  app.get(`/${name}`, { preSerialization: async (request, reply, value) => { calls++; return value } }, (request, reply) => { reply.send(payload) })
  const { body, headers } = await app.inject(`/${name}`)
  console.log(name, 'calls:', calls, 'body:', JSON.stringify(body), 'type:', headers['content-type'] ?? 'none')
}
JS

node --version
seen=$(node app.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
the page says that null does not call the hook: true
null calls: 1 body: "null" type: application/json; charset=utf-8
undefined calls: 0 body: "" type: none
SEEN
