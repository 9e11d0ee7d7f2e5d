'use strict'

// The messages of the load, and the answers to them.

const { constants, deflateRawSync } = require('node:zlib')
const { TEXT, RSV1, clientFrame, serverFrame } = require('../frames')
const { message } = require('../json')

const WORDS = 'the handler awaits a message and sends it back to whom it came from, in order and without loss; '

/** A text that begins with `i`, so that answers in the wrong order differ. */
function text (size, i) {
  return Buffer.from(`${String(i).padStart(3, '0')} ${WORDS.repeat(Math.ceil(size / WORDS.length))}`.slice(0, size))
}

const PAYLOADS = {
  text: ({ size, inFlight }) => Array.from({ length: inFlight }, (_, i) => text(size, i)),
  json: ({ inFlight }) => Array.from({ length: inFlight }, (_, i) => Buffer.from(JSON.stringify(message(i))))
}

/** The payloads in flight on one connection. */
function payloads (settings) {
  return PAYLOADS[settings.payload](settings)
}

/** The frames of the messages, and of their answers with the same payloads. */
function plain (settings) {
  const list = payloads(settings)
  return { requests: list.map((payload) => clientFrame(payload)), answers: list.map((payload) => serverFrame(payload)) }
}

/** A compressed message: RFC 7692, section 7.2.1. */
function compressed (payload) {
  const deflated = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH })
  return clientFrame(deflated.subarray(0, -4), TEXT | RSV1)
}

module.exports = { payloads, plain, compressed }
