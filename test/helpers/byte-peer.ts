import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { finished, type Duplex, type Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import WebSocket from 'ws'
import { connectStreams } from '../../lib/client/duplex-pair'
import { promptly } from './fuzz'

/** One thing that a server has sent: a response, a frame or the end of the connection. */
export type Sent =
  | { response: number }
  | { message: string | Buffer }
  | { ping: string }
  | { pong: string }
  | { close: number, reason: string }
  | { end: true }

/** Both ends of the connection under a WebSocket: the client's end and the server's end. */
interface Streams {
  near: Duplex
  far: Duplex
}

/** Opens a connection to an app, over the network or within the process. */
export type OpenStreams = (app: FastifyInstance) => Promise<Streams>

export async function overTcp (app: FastifyInstance): Promise<Streams> {
  const { port } = app.server.address() as AddressInfo
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  const arrived = new Promise<Socket>((resolve) => {
    app.server.on('connection', function onConnection (far) {
      if (far.remotePort !== near.localPort) return
      app.server.off('connection', onConnection)
      resolve(far)
    })
  })
  await once(near, 'connect')
  return { near, far: await arrived }
}

export async function injected (app: FastifyInstance): Promise<Streams> {
  const [near, far] = connectStreams('127.0.0.1', false)
  app.server.emit('connection', far as unknown as Socket)
  return { near, far }
}

/**
 * A client that sends bytes. It sends nothing by itself, but ends its side when the server has ended its own. It reports what
 * RFC 6455 forbids a server to send as `violation`.
 */
export class BytePeer {
  readonly sent: Sent[] = []
  /** All bytes that the server has sent. */
  readonly bytes: Buffer[] = []
  /** The status line and the headers of the server's response to the handshake. */
  head = ''
  /** The first error in the server's frames. */
  violation: Error | null = null
  /** Called with each thing that the server sends. */
  onSent: (sent: Sent) => void = () => {}
  readonly #near: Duplex
  readonly #far: Duplex
  #receiver: Writable | null = null
  #bytesWritten = 0
  #isPaused = false
  #hasEnded = false

  static async connect (app: FastifyInstance, openStreams: OpenStreams): Promise<BytePeer> {
    const { near, far } = await openStreams(app)
    return new BytePeer(near, far)
  }

  constructor (near: Duplex, far: Duplex) {
    this.#near = near
    this.#far = far
    near.on('data', (chunk) => this.#read(chunk))
    near.on('end', () => {
      this.#hasEnded = true
      if (!this.#isPaused) this.#onEnd()
    })
    near.on('error', () => {}) // the received bytes show the end of the connection
  }

  write (bytes: string | Buffer): void {
    if (!this.#near.writable) return
    this.#bytesWritten += Buffer.byteLength(bytes)
    this.#near.write(bytes)
  }

  /** Ends the client's side. The client goes on reading. */
  end (): void {
    this.#near.end()
  }

  /** Resets the connection. */
  reset (): void {
    this.#hasEnded = false // the client does not see the server's end any more
    if ('resetAndDestroy' in this.#near) (this.#near as Socket).resetAndDestroy()
    else this.#near.destroy()
  }

  /** Stops reading. Also holds back the end of the server's side, which a paused stream may emit. */
  pause (): void {
    this.#isPaused = true
    this.#near.pause()
  }

  resume (): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#near.resume()
    if (this.#hasEnded) this.#onEnd()
  }

  get isOver (): boolean {
    return this.#near.closed && this.#far.closed
  }

  /** Whether the server has read all bytes that the client has written, or has paused or ended the connection. */
  get isRead (): boolean {
    const { destroyed } = this.#far
    if (destroyed || this.#far.isPaused()) return true
    return (this.#far as Socket).bytesRead === this.#bytesWritten
  }

  async read (): Promise<void> {
    await promptly(() => this.isRead, () => 'the server does not read')
  }

  /** Resolves when both ends of the connection are closed. */
  async over (): Promise<void> {
    await promptly(() => this.isOver, () => `the connection does not end: ${JSON.stringify(this.sent.slice(-5))}`)
  }

  #onEnd (): void {
    this.#near.end()
    this.#sent({ end: true })
  }

  #sent (sent: Sent): void {
    this.sent.push(sent)
    this.onSent(sent)
  }

  #read (chunk: Buffer): void {
    this.bytes.push(chunk)
    if (this.head.endsWith('\r\n\r\n')) return this.#feed(chunk)
    const text = this.head + chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n') + 4
    if (end < 4) {
      this.head = text
      return
    }
    this.head = text.slice(0, end)
    this.#receiver = this.head.startsWith('HTTP/1.1 101 ') ? this.#createReceiver() : null
    this.#sent({ response: Number(text.split(' ')[1]) })
    if (end < text.length) this.#feed(Buffer.from(text.slice(end), 'latin1'))
  }

  #feed (chunk: Buffer): void {
    this.#receiver?.write(chunk)
  }

  // The receiver of `ws` rejects everything that violates the protocol.
  #createReceiver (): Writable {
    const { extension, PerMessageDeflate, Receiver } = WebSocket as any // the types of ws lack them
    const extensions: Record<string, unknown> = {}
    const agreed = /^sec-websocket-extensions: (.*)\r$/im.exec(this.head)
    if (agreed !== null) {
      const deflate = new PerMessageDeflate({ isServer: false })
      deflate.accept(extension.parse(agreed[1])['permessage-deflate'])
      extensions['permessage-deflate'] = deflate
    }
    const receiver = new Receiver({ isServer: false, extensions })
    this.#near.on('close', () => receiver.end())
    finished(receiver, () => { (extensions['permessage-deflate'] as any)?.cleanup() })
    receiver.on('message', (data: Buffer, isBinary: boolean) => this.#sent({ message: isBinary ? data : data.toString() }))
    receiver.on('ping', (data: Buffer) => this.#sent({ ping: data.toString() }))
    receiver.on('pong', (data: Buffer) => this.#sent({ pong: data.toString() }))
    receiver.on('conclude', (close: number, reason: Buffer) => this.#sent({ close, reason: reason.toString() }))
    receiver.on('error', (error: Error) => { this.violation ??= error })
    return receiver
  }
}
