'use strict'

// A stream to the server: large messages as fast as the server reads, then a short one, which the server answers with the
// number of received bytes.

const { once } = require('node:events')
const { BINARY, clientFrame, serverFrame } = require('../frames')
const { CHUNK } = require('../stream')
const { Connection } = require('./connection')

const END = Buffer.from('end')
const frame = clientFrame(CHUNK, BINARY)
const end = clientFrame(END, BINARY)

async function prepare (settings) {
  const connection = await new Connection(settings, '/upload').open
  const { socket } = connection
  const expected = serverFrame(Buffer.from(String(settings.messages * CHUNK.length + END.length)))

  const flow = {
    count: 0,
    async run () {
      const answered = new Promise((resolve) => {
        connection.receive = (length, bytes) => {
          if (!bytes.subarray(0, length).equals(expected)) throw new Error('the server has received another number of bytes than was sent')
          resolve()
        }
      })
      for (let i = 0; i < settings.messages; i++) {
        if (!socket.write(frame)) await once(socket, 'drain')
      }
      socket.write(end)
      await answered
      flow.count += settings.messages
    }
  }
  return flow
}

module.exports = { prepare }
