'use strict'

// The messages of the load, and the answers to them.

const { constants, deflateRawSync, inflateRawSync } = require('node:zlib')
const { BINARY, TEXT, RSV1, clientFrame, serverFrame } = require('../frames')
const { message } = require('../json')

const WORDS = 'the handler awaits a message and sends it back to whom it came from, in order and without loss; '

/** A text that begins with `i`, so that answers in the wrong order differ. */
function text (size, i) {
  return Buffer.from(`${String(i).padStart(3, '0')} ${WORDS.repeat(Math.ceil(size / WORDS.length))}`.slice(0, size))
}

const PAYLOADS = {
  bytes: (settings) => PAYLOADS.text(settings),
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
  const first = settings.payload === 'bytes' ? BINARY : TEXT
  return { requests: list.map((payload) => clientFrame(payload, first)), answers: list.map((payload) => serverFrame(payload, first)) }
}

/** A compressed message: RFC 7692, section 7.2.1. */
function compressed (payload) {
  const deflated = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH })
  return clientFrame(deflated.subarray(0, -4), TEXT | RSV1)
}

/** The extension that a client offers for messages that are compressed to the same bytes each time. */
const NO_CONTEXT = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'

/** Throws unless `frame` of a server is a compressed message with the payload `expected`. */
function checkCompressed (frame, expected) {
  if (frame.first !== (TEXT | RSV1)) throw new Error('the message of the server is not one compressed frame')
  const inflated = inflateRawSync(frame.payload, { finishFlush: constants.Z_SYNC_FLUSH })
  if (!inflated.equals(expected)) throw new Error('the message of the server has another payload')
}

module.exports = { payloads, plain, compressed, NO_CONTEXT, checkCompressed }
