import { Duplex } from 'node:stream'
import { open, type Client } from './client'
import type { FastifyInstance } from 'fastify'
import type { Service } from './service'
import type { InjectOptions } from '../types/client'

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
    this.peer.#release()
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    // A copy: both ends are one memory here, and `ws` unmasks in place what it reads.
    this.#give(Buffer.from(chunk), callback)
  }

  // What was corked leaves as one, as from a socket.
  override _writev (writes: { chunk: Buffer }[], callback: () => void): void {
    this.#give(Buffer.concat(writes.map(({ chunk }) => chunk)), callback)
  }

  override _final (callback: () => void): void {
    this.#give(null, callback)
  }

  // As with a socket, the other end reads what was written before, then finds the end. What it writes goes nowhere.
  override _destroy (error: Error | null, callback: (error: Error | null) => void): void {
    if (!this.writableFinished) this.#give(null, () => {})
    this.peer.#release()
    callback(error)
  }

  // In a turn of its own, as from a network: no end gets an answer before its `write` has returned.
  #give (chunk: Buffer | null, written: () => void): void {
    setImmediate(() => {
      if (this.peer.destroyed || this.peer.push(chunk)) written()
      else this.#written = written
    })
  }

  #release (): void {
    const written = this.#written
    this.#written = null
    written?.()
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
