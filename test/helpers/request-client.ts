import { once } from 'node:events'
import { constants, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2'
import { Socket } from 'node:net'
import type { Test } from 'tap'
import { connectRequest, openSession } from './http2'
import { ByteClient, HOST, openTcp, upgradeRequest, type RequestHeaders } from './tcp'
import { http1Only, http2Server, urlOver } from './transport'

/** The head of the answer to a request. */
export interface Answer {
  status: number
  /** The headers in their order, as `name: value`. Those that every acceptance over the transport has are left out. */
  lines: string[]
}

/** A client that has sent a request. It receives what follows the head of the answer. */
export class RequestClient extends ByteClient<Socket | ClientHttp2Stream> {
  /** Resolves with the head of the answer, or with null if the connection ends without one. */
  readonly answer: Promise<Answer | null>

  constructor (stream: Socket | ClientHttp2Stream) {
    super(stream)
    this.answer = (stream instanceof Socket ? this.take('\r\n\r\n').then(answerIn) : answerTo(stream)).catch(() => null)
  }

  override async until (text: string): Promise<string> {
    await this.answer
    return await super.until(text)
  }

  /** Ends the connection. Over HTTP/2, resets the stream, as a browser does. */
  leave (): void {
    if (this.stream instanceof Socket) this.stream.destroy()
    else this.stream.close(constants.NGHTTP2_CANCEL)
  }

  /** Resets the connection. Over HTTP/2, cuts the connection of the stream. */
  reset (): void {
    if (this.stream instanceof Socket) this.stream.resetAndDestroy()
    else this.stream.session!.destroy()
  }
}

export interface HandshakeOptions {
  headers?: RequestHeaders
  /** The bytes that the client sends behind the request at once. */
  early?: Buffer
}

/** Sends a handshake to `port` of 127.0.0.1, on a connection of its own, which ends with `t`. */
export async function sendHandshake (t: Test, port: number, path: string, { headers = {}, early }: HandshakeOptions = {}): Promise<RequestClient> {
  if (http2Server === undefined) {
    const socket = await openTcp(t, port)
    socket.write(Buffer.concat([Buffer.from(upgradeRequest(path, { headers })), early ?? EMPTY]))
    return new RequestClient(socket)
  }
  const client = await sendOverHttp2(t, port, (session) => connectRequest(session, path, connectHeaders(headers)))
  if (early !== undefined) client.write(early)
  return client
}

const EMPTY = Buffer.alloc(0)

/** Sends a plain GET request. */
export async function sendGet (t: Test, port: number, path: string): Promise<RequestClient> {
  if (http2Server !== undefined) return await sendOverHttp2(t, port, (session) => session.request({ ':path': path }))
  const socket = await openTcp(t, port)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
  return new RequestClient(socket)
}

async function sendOverHttp2 (t: Test, port: number, send: (session: ClientHttp2Session) => ClientHttp2Stream): Promise<RequestClient> {
  const session = await openSession(t, urlOver(`http://127.0.0.1:${port}`), { maxSessionMemory: 1_000 }) // MB of what the client sends
  const stream = send(session)
  stream.allowHalfOpen = false // as that of a socket
  stream.on('aborted', () => setImmediate(() => stream.destroy())) // otherwise a reset with NO_ERROR does not end a stream with a write under way
  stream.once('close', () => session.close())
  return new RequestClient(stream)
}

/** Sends a handshake. Resolves with the status of the answer, or with undefined if the connection ends without one. */
export async function statusOf (t: Test, port: number, path: string, options?: HandshakeOptions): Promise<number | undefined> {
  const client = await sendHandshake(t, port, path, options)
  const answer = await client.answer
  client.leave()
  return answer?.status
}

/** The headers of an extended CONNECT request, in the encoding of those of an upgrade request. */
function connectHeaders ({ host, ...headers }: RequestHeaders): OutgoingHttpHeaders {
  if (host === null) http1Only('a request without a host')
  const all = { ':authority': host ?? HOST, ...headers }
  const encode = (value: string | string[]): string | string[] => typeof value === 'string' ? Buffer.from(value).toString('latin1') : value.map((v) => encode(v) as string)
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, value === null ? undefined : encode(value)]))
}

/** The lines of an answer over the transport, given those over HTTP/1.1. Over HTTP/2, names are in lower case, and the values of a name stand together: as one value, except for cookies. */
export function linesOver (lines: string[]): string[] {
  if (http2Server === undefined) return lines
  const values = new Map<string, string[]>()
  for (const line of lines) {
    const [name, value] = line.split(/: (.*)/)
    values.set(name.toLowerCase(), [...values.get(name.toLowerCase()) ?? [], value])
  }
  return [...values].flatMap(([name, all]) => (name === 'set-cookie' ? all : [all.join(', ')]).map((value) => `${name}: ${value}`))
}

function answerIn (head: string): Answer {
  const [first, ...lines] = head.trimEnd().split('\r\n')
  return { status: Number(first.split(' ')[1]), lines: lines.filter((line) => !/^(?:upgrade: websocket|connection: upgrade|sec-websocket-accept: )/i.test(line)) }
}

async function answerTo (stream: ClientHttp2Stream): Promise<Answer> {
  const closed = once(stream, 'close').then(() => { throw new Error('the stream was reset') })
  const [{ ':status': status }, , raw] = await Promise.race([once(stream, 'response'), closed])
  const pairs: [name: string, value: string][] = raw.flatMap((name: string, i: number) => i % 2 === 0 ? [[name, raw[i + 1]]] : [])
  return { status, lines: pairs.filter(([name]) => name !== ':status' && name !== 'date').map((pair) => pair.join(': ')) }
}
