'use strict'

// Broadcasts with permessage-deflate (RFC 7692). Without context takeover, a message is compressed to the same bytes each time.
// So all subscribers have to receive what the first one receives, which is checked.

const { parseServerFrame } = require('../frames')
const { Broadcast } = require('./broadcast')
const { Connection } = require('./connection')
const { payloads, plain, checkCompressed, NO_CONTEXT } = require('./messages')

const handshake = { extensions: NO_CONTEXT }

async function prepare (settings) {
  const { requests } = plain(settings)
  const answers = await firstBurst(settings, requests)
  for (const [i, payload] of payloads(settings).entries()) checkCompressed(parseServerFrame(answers[i]), payload)
  const flow = new Broadcast({ requests, answers })
  await flow.open(settings, handshake)
  return flow
}

/** Publishes a burst to one subscriber. Resolves with the frames that it receives. */
async function firstBurst (settings, requests) {
  const subscriber = await new Connection(settings, '/subscribe', handshake).open
  const publisher = await new Connection(settings, '/publish').open
  let received = Buffer.alloc(0)
  const frames = await new Promise((resolve) => {
    subscriber.receive = (length, bytes) => {
      received = Buffer.concat([received, bytes.subarray(0, length)])
      const frames = split(received)
      if (frames.length === requests.length) resolve(frames)
    }
    publisher.socket.write(Buffer.concat(requests))
  })
  for (const connection of [subscriber, publisher]) {
    connection.closed = () => {}
    connection.socket.destroy()
  }
  return frames
}

function split (bytes) {
  const frames = []
  for (let frame = parseServerFrame(bytes); frame !== null; frame = parseServerFrame(bytes)) {
    frames.push(bytes.subarray(0, frame.size))
    bytes = bytes.subarray(frame.size)
  }
  return frames
}

module.exports = { prepare }
