import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import type { HeaderPairs } from './headers'
import type { HandshakeRequest } from './kind'
import type { RawWebSocket } from '../../types/raw'

/*
 * A `WebSocketServer` of `ws` upgrades connections of HTTP/1.1 only. It gets the request of a stream of HTTP/2 as a request of HTTP/1.1. It
 * reads headers of that request, and writes the head of its response to the stream, in one piece. The stream takes the head
 * for the caller, so that no part of `ws` is touched.
 */

/** The headers of an upgrade request that a request of HTTP/2 lacks. The key is that of RFC 6455, section 1.3. */
const OF_UPGRADE = { upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }

const EMPTY = Buffer.alloc(0)

/** A response that `ws` has written. `body` is empty when it opens the connection. */
export interface RawResponse {
  readonly status: number
  readonly headers: HeaderPairs
  readonly body: string
}

/**
 * Has `server` upgrade `request`, whose connection is `stream`, as `server.handleUpgrade` does. `respond` has to send the response
 * of `server`. The status of a response that opens the connection is 101.
 */
export function upgradeStream (server: WebSocketServer, request: HandshakeRequest, stream: Duplex, respond: (response: RawResponse) => void, then: (raw: RawWebSocket) => void): void {
  const headers = { ...request.headers, ...OF_UPGRADE }
  takeHead(stream, (head) => respond(readResponse(head)))
  server.handleUpgrade(Object.create(request, { headers: { value: headers } }), stream, EMPTY, then)
}

/**
 * Calls `then` with the text that is written to `stream` first, in place of writing it. A stream that is destroyed before is ended
 * without a text, by Node.
 */
function takeHead (stream: Duplex, then: (head: string) => void): void {
  const take = (head?: string | Uint8Array): unknown => {
    delete (stream as Partial<Duplex>).write
    delete (stream as Partial<Duplex>).end
    return head === undefined ? stream.end() : then(Buffer.from(head as string).toString())
  }
  Object.assign(stream, { write: take, end: take })
}

function readResponse (response: string): RawResponse {
  const [head, body] = response.split(/\r\n\r\n([^]*)/)
  const [statusLine, ...lines] = head.split('\r\n')
  const headers = lines.map(pairIn)
  return { status: Number(statusLine.split(' ')[1]), headers, body }
}

function pairIn (line: string): HeaderPairs[number] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
}
