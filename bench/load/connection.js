'use strict'

const net = require('node:net')
const tls = require('node:tls')

/** The buffer into which all connections read. Each read is used before the next one. */
const bytes = Buffer.allocUnsafeSlow(256 * 1024)

// The key and the accept value of the example in RFC 6455, section 1.3.
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** A raw client: it completes the handshake, and then calls `receive` with bytes. Unexpected bytes or events throw, which ends the process. */
class Connection {
  #head = ''
  #opened

  constructor ({ port, tls: secure = false }, path, { extensions } = {}) {
    const onread = {
      buffer: bytes,
      callback: (length) => {
        if (this.#opened === undefined) this.receive(length, bytes)
        else this.#readHead(bytes.latin1Slice(0, length))
        return true
      }
    }
    const options = { port, host: '127.0.0.1', onread }
    this.socket = secure
      ? tls.connect({ ...options, rejectUnauthorized: false, minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' })
      : net.connect(options)
    this.socket.setNoDelay()
    this.socket.on('close', () => this.closed())
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n` +
      (extensions === undefined ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`) + '\r\n')
    this.open = new Promise((resolve) => { this.#opened = resolve })
  }

  /** Called after each read with the number of bytes in `buffer`. */
  receive (length, buffer) {
    throw new Error(`the server has sent ${length} unexpected bytes`)
  }

  closed () {
    throw new Error('the server has closed the connection')
  }

  #readHead (text) {
    this.#head += text
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return
    if (!/^HTTP\/1.1 101 /.test(this.#head) || !this.#head.includes(ACCEPT)) throw new Error(`the handshake has failed: ${this.#head}`)
    if (end + 4 !== this.#head.length) throw new Error('the server has sent unexpected bytes with the handshake')
    this.head = this.#head
    this.#opened(this)
    this.#opened = undefined
  }
}

/** Opens `count` connections with `create`, 128 at a time. */
async function openAll (count, create) {
  const connections = []
  let left = count
  async function lane () {
    while (left-- > 0) connections.push(await create().open)
  }
  await Promise.all(Array.from({ length: 128 }, lane))
  return connections
}

module.exports = { Connection, openAll }
