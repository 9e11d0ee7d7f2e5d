'use strict'

// Not a WebSocket server: it counts bytes and writes prepared answers. It shows the limit of the load generator.

const net = require('node:net')
const { once } = require('node:events')
const { plain } = require('../load/messages')

const HEAD = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'

async function listen ({ payload, size, inFlight }) {
  const { requests, answers } = plain({ payload, size, inFlight })
  const [{ length: requestSize }] = requests
  const [{ length: answerSize }] = answers
  const bytes = Buffer.concat([...answers, ...answers])
  const period = requestSize * inFlight

  const server = net.createServer({ noDelay: true }, (socket) => {
    let position = 0

    function answer (data) {
      const from = Math.floor(position / requestSize)
      const end = position + data.length
      const to = Math.floor(end / requestSize)
      position = end % period
      if (to > from) socket.write(bytes.subarray(from * answerSize, to * answerSize))
    }

    socket.once('data', () => {
      socket.write(HEAD)
      socket.on('data', answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

module.exports = { listen }
