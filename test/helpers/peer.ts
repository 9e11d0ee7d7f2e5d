import { on, once } from 'node:events'
import type { Test } from 'tap'
import WebSocket from 'ws'
import type { CloseInfo } from '../../types/message'

/** A client: a plain `ws` socket that keeps all its messages. */
export class Peer {
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
}

function decode ([data, isBinary]: [Buffer, boolean]): string | Buffer {
  return isBinary ? data : data.toString()
}

/** Connects a `ws` client. The client is terminated at the end of `t`. */
export async function connectPeer (t: Test, url: string, options: WebSocket.ClientOptions & { subprotocols?: string[] } = {}): Promise<Peer> {
  const socket = new WebSocket(url, options.subprotocols, options)
  t.teardown(() => socket.terminate())
  const peer = new Peer(socket)
  await Promise.race([once(socket, 'open'), peer.closed.then(() => { throw new Error('the handshake failed') })])
  return peer
}
