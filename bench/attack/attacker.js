'use strict'

// The attacking clients, in a process of their own: node attack/attacker.js <attack> <settings>

const net = require('node:net')
const { BINARY, PONG, clientFrame } = require('../frames')
const { Connection, openAll } = require('../load/connection')
const { work } = require('../worker')

const [name, settings] = process.argv.slice(2)

const FIN = 0x80
const CONTINUATION = 0

/** In bytes: the least size of a write. */
const BLOCK = 64 * 1024

/** A connection that ignores what it receives, errors and its end. */
class Attacker extends Connection {
  constructor (...args) {
    super(...args)
    this.socket.on('error', () => {})
  }

  receive () {}
  closed () {}
}

const ATTACKS = {
  /** Clients send messages as fast as the server reads them. */
  async flood (target, { path, clients, size }) {
    const frame = clientFrame(Buffer.alloc(size, 'x'), BINARY)
    await send(target, path, clients, repeat(frame))
  },

  /** Clients send a small message, or a fragment of one, in each 64 KiB of unsolicited pongs. */
  async pongs (target, { path, clients, fragments }) {
    const frame = clientFrame(Buffer.from('x'), fragments ? CONTINUATION : BINARY)
    const pong = clientFrame(Buffer.alloc(125), PONG)
    const begin = fragments ? clientFrame(Buffer.from('x'), BINARY & ~FIN) : Buffer.alloc(0)
    await send(target, path, clients, Buffer.concat([frame, repeat(pong)]), begin)
  },

  /** Clients read nothing. */
  async deaf (target, { path, clients }) {
    const attackers = await openAll(clients, () => new Attacker(target, path))
    for (const { socket } of attackers) socket.pause()
  },

  /** Clients send a request, or half of one, and nothing else. */
  async handshakes (target, { path, clients, isComplete }) {
    await openAll(clients, () => ({ open: begin(target, path, isComplete) }))
  }
}

/** Connects, and sends a request or half of it. Resolves when it is written. */
function begin ({ port }, path, isComplete) {
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  return new Promise((resolve) => socket.write(isComplete ? request : request.slice(0, request.length / 2), resolve))
}

/** Lets all clients send `begin`, and then `block` again and again, as fast as the server reads. */
async function send (target, path, clients, block, begin) {
  const attackers = await openAll(clients, () => new Attacker(target, path))
  for (const { socket } of attackers) {
    const pump = () => { while (socket.write(block)) ; }
    socket.on('drain', pump)
    if (begin !== undefined) socket.write(begin)
    pump()
  }
}

function repeat (frame) {
  return Buffer.concat(Array.from({ length: Math.ceil(BLOCK / frame.length) }, () => frame))
}

async function attack (target) {
  await ATTACKS[name](target, JSON.parse(settings))
}

work({ attack })
