import { once } from 'node:events'
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { http2Refusal } from './http2'
import { http2Server, urlOver } from './transport'

export interface Refusal {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** Sends an upgrade request. Resolves with the response of the server, which must refuse the handshake. */
export async function refusal (port: number, path: string, headers: Record<string, string> = {}): Promise<Refusal> {
  if (http2Server !== undefined) return await http2Refusal(urlOver(`http://127.0.0.1:${port}`), path, headers)
  const asked = request({
    port,
    host: '127.0.0.1',
    path,
    agent: false,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      ...headers
    }
  }).end()
  const accepted = once(asked, 'upgrade').then(([, socket]) => {
    socket.destroy()
    throw new Error('the handshake was accepted')
  })
  const [response] = await Promise.race([once(asked, 'response'), accepted]) as [IncomingMessage]
  return { status: response.statusCode!, headers: response.headers, body: await text(response) }
}
