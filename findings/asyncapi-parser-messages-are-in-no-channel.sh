#!/usr/bin/env bash
# With @asyncapi/parser 3.6.6, a message of an AsyncAPI 3.0 document tells of no channel, no operation and no server:
# `channels()`, `operations()` and `servers()` are empty, though the operation lists the message, and the document has no
# errors. For the same message in a 2.6 document, all three are filled. So a tool that looks messages up and asks where they
# belong takes all messages of a 3.0 document for unused. Going from channels and operations to messages works in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @asyncapi/parser@3.6.6 > /dev/null

cat > messages.mjs <<'JS'
import parser from '@asyncapi/parser'

const text = { name: 'text', payload: { type: 'string' } }
const documents = {
  '2.6.0': {
    servers: { local: { url: '127.0.0.1', protocol: 'ws' } },
    channels: { chat: { publish: { operationId: 'receiveText', message: text } } }
  },
  '3.0.0': {
    servers: { local: { host: '127.0.0.1', protocol: 'ws' } },
    channels: { chat: { address: '/chat', messages: { text } } },
    operations: { receiveText: { action: 'receive', channel: { $ref: '#/channels/chat' }, messages: [{ $ref: '#/channels/chat/messages/text' }] } }
  }
}
const ids = (models) => models.all().map((model) => model.id()).join() || 'none'

for (const [version, parts] of Object.entries(documents)) {
  const { document, diagnostics } = await new parser.Parser().parse(JSON.stringify({ asyncapi: version, info: { title: 'Chat', version: '1.0.0' }, ...parts }))
  const errors = diagnostics.filter(({ severity }) => severity === 0)
  const [operation] = document.operations().all()
  const [message] = operation.messages().all()
  console.log(`${version}: ${errors.length} errors, ${operation.id()} has ${message.name()}`)
  console.log(`${version}: ${message.name()} has channels: ${ids(message.channels())}, operations: ${ids(message.operations())}, servers: ${ids(message.servers())}`)
}
JS

node --version
seen=$(timeout 60 node messages.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
2.6.0: 0 errors, receiveText has text
2.6.0: text has channels: chat, operations: receiveText, servers: local
3.0.0: 0 errors, receiveText has text
3.0.0: text has channels: none, operations: none, servers: none
SEEN
