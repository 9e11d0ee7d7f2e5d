import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/* The protocol in bytes, for what a library would not send. */

export const CONTINUATION = 0
export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** A frame from a client, masked with zeros so that its payload can be read in it. */
export function clientFrame (opcode: number, payload: string | Buffer, fin = true): Buffer {
  const data = Buffer.from(payload)
  const length = data.length < 126 ? [0x80 | data.length] : [0x80 | 126, data.length >> 8, data.length & 255]
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | opcode, ...length, 0, 0, 0, 0]), data])
}

/** A frame from a server. */
export function serverFrame (opcode: number, payload: string | Buffer): Buffer {
  const data = Buffer.from(payload)
  return Buffer.concat([Buffer.from([0x80 | opcode, data.length]), data])
}

/** The payload of a close frame. */
export function closePayload (code: number, reason: string | Buffer = ''): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)])
}

/** The answer that completes the handshake of `request`. */
export function upgradeResponse (request: string, headers = ''): string {
  const key = /^sec-websocket-key: (.*)\r$/im.exec(request)![1]
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${headers}\r\n`
}

/** A TCP server on 127.0.0.1 that gives `answer` each connection when its request is there. Returns its port. */
export async function serveRaw (t: Test, answer: (socket: Socket, request: string) => void): Promise<number> {
  const server = createServer((socket) => {
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    let request = ''
    socket.on('data', (chunk) => {
      const complete = request.includes('\r\n\r\n')
      request += chunk.toString('latin1')
      if (!complete && request.includes('\r\n\r\n')) answer(socket, request)
    })
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
