'use strict'

// A stream from the server. The client tells the server how many large messages to send.

const { BINARY, clientFrame, serverFrame } = require('../frames')
const { CHUNK } = require('../stream')
const { Connection } = require('./connection')

const SAMPLE = 64

async function prepare (settings) {
  const connection = await new Connection(settings, '/download').open
  const ask = clientFrame(Buffer.from(String(settings.messages)))
  const frame = serverFrame(CHUNK, BINARY)
  const expected = Buffer.concat([frame, frame])
  const total = settings.messages * frame.length

  const flow = {
    count: 0,
    async run () {
      let received = 0
      let reads = 0
      await new Promise((resolve) => {
        connection.receive = (length, bytes) => {
          const start = received % frame.length
          received += length
          if (received > total) throw new Error('more bytes than were asked for')
          if (reads++ % SAMPLE === 0 && expected.compare(bytes, 0, length, start, start + length) !== 0) throw new Error('a message has wrong bytes')
          if (received === total) resolve()
        }
        connection.socket.write(ask)
      })
      flow.count += settings.messages
    }
  }
  return flow
}

module.exports = { prepare }
