#!/usr/bin/env bash
# @asyncapi/optimizer 2.0.0 is to make an AsyncAPI document smaller, not another. With its default rules, it moves messages,
# schemas and parameters to `components` under the last name of their path, and the last of several with one name stands
# for all. Each payload has the name `payload`, so all messages that stand in channels get the payload of the last one, and
# the parameters `room` of two channels become one, among the schemas. The optimizer reports nothing, and @asyncapi/parser
# 3.6.6 finds no error in the result. With `moveAllToComponents: false`, the document keeps its meaning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @asyncapi/optimizer@2.0.0 @asyncapi/parser@3.6.6 > /dev/null

cat > optimize.mjs <<'JS'
import optimizer from '@asyncapi/optimizer'
import parser from '@asyncapi/parser'

const message = (properties) => ({ payload: { type: 'object', properties } })
const text = JSON.stringify({
  asyncapi: '3.0.0',
  info: { title: 'Chat', version: '1.0.0' },
  channels: {
    chat: {
      address: '/chat/{room}',
      parameters: { room: { description: 'a room', enum: ['red', 'blue'] } },
      messages: { text: message({ id: { type: 'string' }, from: { type: 'string' } }), count: message({ id: { type: 'integer' } }) }
    },
    news: {
      address: '/news/{room}',
      parameters: { room: { description: 'a newsroom' } },
      messages: { text: message({ id: { type: 'number' }, title: { type: 'string' } }) }
    }
  },
  operations: {
    receiveChat: { action: 'receive', channel: { $ref: '#/channels/chat' } },
    sendNews: { action: 'send', channel: { $ref: '#/channels/news' } }
  }
})

async function optimize (options) {
  const own = new optimizer.Optimizer(text)
  await own.getReport()
  return own.getOptimizedDocument({ output: optimizer.Output.JSON, ...options })
}

const documents = {
  'as written': text,
  'default rules': await optimize({}),
  'moveAllToComponents false': await optimize({ rules: { moveAllToComponents: false } })
}
for (const [name, content] of Object.entries(documents)) {
  const { document, diagnostics } = await new parser.Parser().parse(content)
  console.log(`${name}: ${diagnostics.filter(({ severity }) => severity === 0).length} errors`)
  for (const channel of document.channels().all()) {
    const { description, enum: values = [] } = channel.parameters().get('room').json()
    console.log(`  ${channel.address()}: ${[description, ...values].join(', ')}`)
    for (const one of channel.messages().all()) {
      const types = Object.entries(one.payload().properties()).map(([key, schema]) => `${key} ${schema.type()}`)
      console.log(`    ${one.id()}: ${types.join(', ')}`)
    }
  }
}
JS

node --version
seen=$(timeout 60 node optimize.mjs)
echo "$seen"
diff <(echo "$seen") - <<'SEEN'
as written: 0 errors
  /chat/{room}: a room, red, blue
    text: id string, from string
    count: id integer
  /news/{room}: a newsroom
    text: id number, title string
default rules: 0 errors
  /chat/{room}: a newsroom
    text: id number, title string
    count: id number, title string
  /news/{room}: a newsroom
    text: id number, title string
moveAllToComponents false: 0 errors
  /chat/{room}: a room, red, blue
    text: id string, from string
    count: id integer
  /news/{room}: a newsroom
    text: id number, title string
SEEN
