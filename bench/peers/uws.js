'use strict'

// µWebSockets, the limit of native code.

const uWS = require('uwebsockets')
const { certFile, keyFile } = require('../tls')
const { validate } = require('./validate')
const { CHUNK } = require('../stream')

const text = new TextDecoder()

function listen ({ tls, deflate, maxPayload }) {
  const app = tls ? uWS.SSLApp({ cert_file_name: certFile, key_file_name: keyFile }) : uWS.App()
  const options = {
    maxPayloadLength: maxPayload,
    maxBackpressure: 64 * 1024 * 1024,
    idleTimeout: 0,
    sendPingsAutomatically: false,
    compression: deflate ? uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR : uWS.DISABLED
  }
  for (const [url, behavior] of Object.entries(routes(app, Boolean(deflate)))) app.ws(url, { ...options, ...behavior })

  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (token) => {
      if (token) resolve(uWS.us_socket_local_port(token))
      else reject(new Error('µWebSockets cannot listen'))
    })
  })
}

function routes (app, compress) {
  return {
    '/echo': {
      message (ws, data, isBinary) { ws.send(data, isBinary, compress) }
    },

    '/echo-bytes': {
      message (ws, data, isBinary) { ws.send(data, isBinary, compress) }
    },

    '/json': {
      message (ws, data) {
        const message = JSON.parse(text.decode(data))
        if (!validate(message)) return ws.end(1008)
        ws.send(JSON.stringify(message))
      }
    },

    '/subscribe': {
      open (ws) { ws.subscribe('news') }
    },

    '/publish': {
      message (ws, data, isBinary) { app.publish('news', data, isBinary, compress) }
    },

    '/upload': {
      open (ws) { ws.getUserData().received = 0 },
      message (ws, chunk) {
        const state = ws.getUserData()
        state.received += chunk.byteLength
        if (chunk.byteLength === CHUNK.length) return
        ws.send(String(state.received))
        state.received = 0
      }
    },

    '/download': {
      message (ws, count) {
        ws.getUserData().left = Number(text.decode(count))
        sendMore(ws)
      },
      // µWebSockets 3.0.6 never sends the rest of a message that `send` within `drain` has left in its buffer.
      drain (ws) {
        const state = ws.getUserData()
        setImmediate(() => { if (!state.isClosed) sendMore(ws) })
      },
      close (ws) { ws.getUserData().isClosed = true }
    },

    '/idle': {
      message (ws) { ws.end() }
    }
  }
}

function sendMore (ws) {
  const state = ws.getUserData()
  while (state.left > 0 && ws.getBufferedAmount() < CHUNK.length) {
    state.left--
    ws.send(CHUNK, true)
  }
}

module.exports = { listen }
