'use strict'

// Echo with permessage-deflate (RFC 7692). Without context takeover, a message is compressed to the same bytes each time. So
// all answers have to be equal to the first one, which is checked.

const { parseServerFrame } = require('../frames')
const { Connection } = require('./connection')
const { Echo, EchoConnection } = require('./echo')
const { compressed, payloads, checkCompressed, NO_CONTEXT } = require('./messages')

const extensions = NO_CONTEXT

async function prepare (settings) {
  const [payload] = payloads(settings)
  const request = compressed(payload)
  const answer = await firstAnswer(settings, request)
  check(answer, payload)
  const repeat = (frame) => Array(settings.inFlight).fill(frame)
  const flow = new Echo({ requests: repeat(request), answers: repeat(answer) })
  await flow.open(settings.connections, () => new EchoConnection(flow, settings, settings.path, { extensions }))
  return flow
}

async function firstAnswer (settings, request) {
  const connection = await new Connection(settings, settings.path, { extensions }).open
  if (!connection.head.toLowerCase().includes('server_no_context_takeover')) throw new Error(`the server has not agreed to server_no_context_takeover: ${connection.head}`)
  let received = Buffer.alloc(0)
  return new Promise((resolve) => {
    connection.receive = (length, bytes) => {
      received = Buffer.concat([received, bytes.subarray(0, length)])
      if (parseServerFrame(received) !== null) resolve(received)
    }
    connection.socket.write(request)
  })
}

function check (answer, payload) {
  const frame = parseServerFrame(answer)
  if (frame.size !== answer.length) throw new Error('the answer is not one frame')
  checkCompressed(frame, payload)
}

module.exports = { prepare }
