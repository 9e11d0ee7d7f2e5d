import { once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import { ProtocolViolation, refuse } from './frame'
import type { Answer, Client } from './transport'

/** In bytes: no message of a case fills a window of the client. The server has its default windows. */
const WINDOW = 32 * 1024 * 1024

/** Headers of the handshake of HTTP/1.1, which HTTP/2 does not have (RFC 8441, section 5). */
const HTTP1_HEADERS = ['connection', 'upgrade', 'sec-websocket-accept']

/** A client that opens all WebSockets on one HTTP/2 connection (RFC 8441). `origin` is the server. */
export async function openHttp2 (origin: string): Promise<Client> {
  const session = connect(origin, { rejectUnauthorized: false, settings: { initialWindowSize: WINDOW } })
  const [{ enableConnectProtocol }] = await once(session, 'remoteSettings')
  refuse(enableConnectProtocol !== true, 'no SETTINGS_ENABLE_CONNECT_PROTOCOL')
  session.setLocalWindowSize(WINDOW)
  session.on('error', () => {}) // its streams fail
  return {
    open: (path, offer, deadline) => extendedConnect(session, path, offer, deadline),
    close: () => session.destroy()
  }
}

async function extendedConnect (session: ClientHttp2Session, path: string, offer: string | undefined, signal: AbortSignal): Promise<Answer> {
  const request = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': path, 'sec-websocket-version': '13' }
  const headers = offer === undefined ? request : { ...request, 'sec-websocket-extensions': offer }
  const stream = session.request(headers, { endStream: false, signal })
  failWhenReset(stream)

  const [{ ':status': status, ...response }] = await once(stream, 'response') as [IncomingHttpHeaders & { ':status': number }]
  const answer = { extensions: response['sec-websocket-extensions'] ?? '', stream }
  if (status !== 200) return { ...answer, refusal: status }

  for (const name of HTTP1_HEADERS) refuse(name in response, `${name} over HTTP/2`)
  return answer
}

/** The end of a WebSocket is END_STREAM. RST_STREAM stands for a TCP connection that is reset (RFC 8441, section 5). */
function failWhenReset (stream: ClientHttp2Stream): void {
  stream.on('error', () => {}) // the received bytes show it
  stream.on('aborted', () => stream.destroy(new ProtocolViolation(`the server sent RST_STREAM with code ${stream.rstCode}`)))
}
