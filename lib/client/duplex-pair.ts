import { Duplex } from 'node:stream'
import { nextTurn } from '../base/clock'

type Written = (error?: Error | null) => void

/**
 * One end of a connection within the process. One end reads the bytes that the other end, its peer, writes, and a writer is no
 * faster than its reader. As with a socket, the bytes that the peer has room for are on their way when `write` returns, and
 * arrive even if this end is destroyed afterwards.
 */
export class InjectedStream extends Duplex {
  peer!: InjectedStream
  /** Properties that Node's HTTP server reads of a socket. */
  readonly remoteAddress: string
  readonly remotePort = 0
  readonly encrypted: boolean
  /** Properties that Node's HTTP/2 server reads of a socket that may speak HTTP/1.1. */
  readonly alpnProtocol: string
  server: object | null = null
  /** The bytes that this end has received, as of a socket. */
  bytesRead = 0
  /** The bytes that have been written and have not arrived. */
  #underWay = 0
  /** The callback of a write for which the peer has no room yet. Later writes wait behind it. */
  #waiting: Written | null = null

  constructor (remoteAddress: string, encrypted: boolean, alpnProtocol: string) {
    super()
    this.remoteAddress = remoteAddress
    this.encrypted = encrypted
    this.alpnProtocol = alpnProtocol
  }

  // This end has room for more bytes, unless bytes are still on their way to this end.
  override _read (): void {
    if (this.peer.#underWay === 0) this.peer.#completeWrite()
  }

  // Corked chunks leave as one, as from a socket. They leave as a copy, since both ends share memory and the parser unmasks the bytes
  // that it reads in place.
  override _writev (writes: { chunk: Buffer }[], callback: Written): void {
    const chunk = Buffer.concat(writes.map(({ chunk }) => chunk))
    this.#waiting = callback
    this.#underWay += chunk.length
    nextTurn(() => this.#deliver(chunk))
    this.#completeWriteIfRoom()
  }

  override _final (callback: Written): void {
    nextTurn(() => {
      this.#deliverEnd()
      callback()
    })
  }

  // As with a socket, the peer reads the bytes that were written before, then finds the end. The peer's writes fail.
  override _destroy (error: Error | null, callback: Written): void {
    nextTurn(() => this.#deliverEnd())
    callback(error)
  }

  // Runs in its own turn of the event loop, as over a network: no end gets an answer before its `write` has returned.
  #deliver (chunk: Buffer): void {
    const { peer } = this
    this.#underWay -= chunk.length
    if (peer.destroyed) {
      this.destroy(brokenPipe())
      return
    }
    peer.bytesRead += chunk.length
    peer.push(chunk)
    this.#completeWriteIfRoom()
  }

  #deliverEnd (): void {
    const { peer } = this
    if (!peer.destroyed) peer.push(null)
    if (!this.destroyed) return
    this.#completeWrite(brokenPipe())
    peer.#completeWrite(brokenPipe())
  }

  // HTTP/2 limits by itself how much is under way, by its windows. Node's HTTP/2 does not read while a write waits, so that both ends
  // would wait for each other for ever.
  #completeWriteIfRoom (): void {
    const { readableLength, readableHighWaterMark } = this.peer
    if (this.alpnProtocol === 'h2' || this.#underWay + readableLength < readableHighWaterMark) this.#completeWrite()
  }

  #completeWrite (error?: Error): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.(error)
  }
}

/** Returns both ends of a connection: the client's end, and the server's end, which sees the client at `remoteAddress`. */
export function connectStreams (remoteAddress: string, encrypted: boolean, alpnProtocol = 'http/1.1'): [near: InjectedStream, far: InjectedStream] {
  const near = new InjectedStream('127.0.0.1', encrypted, alpnProtocol)
  const far = new InjectedStream(remoteAddress, encrypted, alpnProtocol)
  near.peer = far
  far.peer = near
  return [near, far]
}

function brokenPipe (): Error {
  return Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
}
