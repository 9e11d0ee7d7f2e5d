// A client for the terminal: it sends each line that you type, and prints each message.
//
//   node example/connect.mjs ws://127.0.0.1:3000/echo
//   node example/connect.mjs --subprotocol chat.v1 ws://127.0.0.1:3000/negotiated
//   node example/connect.mjs --header 'authorization: Bearer s3cret' ws://127.0.0.1:3000/inbox

import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { connect } from 'fastify-async-websocket'

const { values, positionals: [url] } = parseArgs({
  allowPositionals: true,
  options: {
    header: { type: 'string', multiple: true, default: [] },
    subprotocol: { type: 'string', multiple: true, default: [] }
  }
})
const headers = Object.fromEntries(values.header.map((header) => header.split(/:\s*(.*)/, 2)))

try {
  const client = await connect(url, { headers, subprotocols: values.subprotocol, receiveType: 'any' })
  const input = createInterface({ input: process.stdin })
  input.on('line', (line) => client.send(line))
  input.on('close', () => client.close())
  client.closed.then(({ code, reason }) => {
    input.close()
    console.error(`Closed: ${code} ${reason}`)
  })
  for await (const message of client) console.log(message)
} catch (error) {
  console.error(error.message, error.body ?? '')
  process.exitCode = 1
}
