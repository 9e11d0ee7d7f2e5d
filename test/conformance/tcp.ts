import { createHash, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { ProtocolViolation, refuse } from './frame'
import type { Answer, Client } from './transport'

/** RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** A client that opens a TCP connection for each WebSocket (RFC 6455, section 4.1). */
export async function openTcp (port: number): Promise<Client> {
  return {
    async open (path, offer, deadline) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true, signal: deadline })
      socket.on('error', () => {}) // a write after the server has ended the connection; the received bytes show the end
      return await upgrade(socket, path, offer)
    },
    close () {}
  }
}

async function upgrade (socket: Socket, path: string, offer?: string): Promise<Answer> {
  const key = randomBytes(16).toString('base64')
  const lines = [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`]
  if (offer !== undefined) lines.push(`Sec-WebSocket-Extensions: ${offer}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)

  const head = await headFrom(socket)
  const header = (name: string): string => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1].trim() ?? ''
  const status = Number(head.split(' ')[1])
  const answer = { extensions: header('sec-websocket-extensions'), stream: socket }
  if (status !== 101) return { ...answer, refusal: status }

  refuse(header('upgrade').toLowerCase() !== 'websocket' || header('connection').toLowerCase() !== 'upgrade', 'a 101 without an upgrade')
  refuse(header('sec-websocket-accept') !== createHash('sha1').update(key + GUID).digest('base64'), 'a wrong Sec-WebSocket-Accept')
  return answer
}

/** Reads the head of the response. What follows stays in the socket. */
async function headFrom (socket: Socket): Promise<string> {
  let response = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    response += (chunk as Buffer).toString('latin1')
    const end = response.indexOf('\r\n\r\n')
    if (end === -1) continue
    socket.unshift(Buffer.from(response.slice(end + 4), 'latin1'))
    return response.slice(0, end)
  }
  throw new ProtocolViolation('the server sent nothing more in the handshake')
}
