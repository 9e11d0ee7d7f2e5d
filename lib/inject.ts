import { Duplex } from 'node:stream'
import { open, type Client, type ClientOptions } from './client'
import type { FastifyInstance } from 'fastify'
import type { Service } from './service'

export interface InjectOptions extends ClientOptions {
  /** Parameters added to those of the URL. */
  query?: Record<string, string | number | boolean | readonly (string | number | boolean)[]>
  cookies?: Record<string, string>
  /** The address that the request comes from: `request.ip`. */
  remoteAddress?: string
}

/** Milliseconds after which a `receive` of a test gives up, so that a test fails rather than hangs. */
const RECEIVE_TIMEOUT = 5_000

/** One end of a connection within the process: what one end writes, the other reads, no faster than it does. */
class InjectedStream extends Duplex {
  peer!: InjectedStream
  /** What Node's HTTP server reads of a socket. */
  readonly remoteAddress: string
  readonly remotePort = 0
  readonly encrypted: boolean
  #written: (() => void) | null = null

  constructor (remoteAddress: string, encrypted: boolean) {
    super()
    this.remoteAddress = remoteAddress
    this.encrypted = encrypted
  }

  override _read (): void {
    const written = this.peer.#written
    this.peer.#written = null
    written?.()
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    // A copy: both ends are one memory here, and `ws` unmasks in place what it reads.
    if (this.peer.push(Buffer.from(chunk))) callback()
    else this.#written = callback
  }

  override _final (callback: () => void): void {
    this.peer.push(null)
    callback()
  }

  // As with a socket, the other end reads what was written before, then finds the end.
  override _destroy (error: Error | null, callback: (error: Error | null) => void): void {
    if (!this.writableFinished && !this.peer.destroyed) this.peer.push(null)
    callback(error)
  }
}

/**
 * Opens a connection to `url`, a path of the app, without a port: through the HTTP server of the app, all of its hooks
 * and the whole protocol, over a stream within the process.
 */
export async function injectWebSocket (app: FastifyInstance, service: Service, url: string, options: InjectOptions = {}): Promise<Client> {
  await app.ready()
  const { query, cookies, remoteAddress = '127.0.0.1', ...clientOptions } = options
  const secure = 'setSecureContext' in app.server // an https server takes streams that have been decrypted already
  const target = new URL(url, `${secure ? 'wss' : 'ws'}://localhost`)
  for (const [name, values] of Object.entries(query ?? {})) {
    for (const value of [values].flat()) target.searchParams.append(name, String(value))
  }
  const headers = { ...clientOptions.headers }
  if (cookies !== undefined) headers.cookie = cookieHeader(headers.cookie, cookies)

  const client = await open(target, { receiveTimeout: RECEIVE_TIMEOUT, ...clientOptions, headers }, () => {
    const near = new InjectedStream('127.0.0.1', secure)
    const far = new InjectedStream(remoteAddress, secure)
    near.peer = far
    far.peer = near
    app.server.emit(secure ? 'secureConnection' : 'connection', far)
    return near
  })
  service.injected.add(client)
  client.closed.then(() => service.injected.delete(client))
  return client
}

function cookieHeader (header: string | string[] | undefined, cookies: Record<string, string>): string {
  const pairs = Object.entries(cookies).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  return [header ?? [], pairs].flat().join('; ')
}
