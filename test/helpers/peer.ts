import { on, once } from 'node:events'
import { connectHttp2Peer } from './http2'
import { http2Server, urlOver } from './transport'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import WebSocket from 'ws'
import type { OtherEnd } from '../contract/other-end'
import type { CloseInfo } from '../../types/message'

/** A plain `ws` socket that keeps all its messages. */
export class Peer implements OtherEnd {
  readonly socket: WebSocket
  /** Resolves with the code and the reason when the connection has ended. */
  readonly closed: Promise<Pick<CloseInfo, 'code' | 'reason'>>
  readonly #messages: AsyncIterableIterator<any>

  constructor (socket: WebSocket) {
    this.socket = socket
    this.#messages = on(socket, 'message', { close: ['close'] })
    this.closed = new Promise((resolve) => socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })))
    socket.on('error', () => {}) // 'close' follows
  }

  /** The stream that carries the connection. */
  get stream (): Duplex {
    return (this.socket as unknown as { _socket: Duplex })._socket
  }

  /** Resolves with the next message: a string for a text message, a Buffer for a binary one. */
  async next (): Promise<string | Buffer> {
    const { value, done } = await this.#messages.next()
    if (done === true) throw new Error('the connection has ended')
    return decode(value)
  }

  /** Resolves with all further messages when the connection has ended. */
  async rest (): Promise<(string | Buffer)[]> {
    const messages = []
    for await (const message of this.#messages) messages.push(decode(message))
    return messages
  }

  async protocol (): Promise<string> {
    return this.socket.protocol
  }

  async send (message: string | Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => { this.socket.send(message, () => resolve()) })
  }

  async ping (payload: string): Promise<string> {
    const pong = once(this.socket, 'pong')
    this.socket.ping(payload)
    return String(await pong)
  }

  async write (bytes: Uint8Array): Promise<void> {
    this.stream.write(bytes)
  }

  async pause (): Promise<void> {
    this.socket.pause()
  }

  async resume (): Promise<void> {
    this.socket.resume()
  }

  async close (code?: number, reason?: string): Promise<void> {
    this.socket.close(code, reason)
  }

  async terminate (): Promise<void> {
    this.socket.terminate()
  }
}

function decode ([data, isBinary]: [Buffer, boolean]): string | Buffer {
  return isBinary ? data : data.toString()
}

/** Connects a `ws` client. The client is terminated at the end of `t`. */
export async function connectPeer (t: Pick<Test, 'teardown'>, url: string, options: WebSocket.ClientOptions & { subprotocols?: string[] } = {}): Promise<Peer> {
  if (http2Server !== undefined) return await connectHttp2Peer(t, urlOver(url), options)
  const socket = new WebSocket(url, options.subprotocols, options)
  t.teardown(() => socket.terminate())
  const peer = new Peer(socket)
  await Promise.race([once(socket, 'open'), peer.closed.then(() => { throw new Error('the handshake failed') })])
  return peer
}
