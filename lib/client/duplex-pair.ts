import { Duplex } from 'node:stream'
import { nextTurn } from '../base/clock'

type Written = (error?: Error | null) => void

/**
 * One end of a connection within the process: what one end writes, the other reads, no faster than it does. As with a
 * socket, what there is room for is on its way when `write` returns, and arrives even if this end is destroyed then.
 */
export class InjectedStream extends Duplex {
  peer!: InjectedStream
  /** What Node's HTTP server reads of a socket. */
  readonly remoteAddress: string
  readonly remotePort = 0
  readonly encrypted: boolean
  /** What Node's HTTP/2 server reads of a socket that may be one of HTTP/1.1. */
  readonly alpnProtocol = 'http/1.1'
  server: object | null = null
  /** As of a socket. */
  bytesRead = 0
  /** Bytes that have been written and have not arrived. */
  #underWay = 0
  /** A write for which there is no room yet: others wait behind it. */
  #waiting: Written | null = null

  constructor (remoteAddress: string, encrypted: boolean) {
    super()
    this.remoteAddress = remoteAddress
    this.encrypted = encrypted
  }

  // This end has room for more, except for what is still to arrive.
  override _read (): void {
    if (this.peer.#underWay === 0) this.peer.#goOn()
  }

  // What was corked leaves as one, as from a socket, and as a copy: both ends are one memory here, and `ws` unmasks in
  // place what it reads.
  override _writev (writes: { chunk: Buffer }[], callback: Written): void {
    const chunk = Buffer.concat(writes.map(({ chunk }) => chunk))
    this.#waiting = callback
    this.#underWay += chunk.length
    nextTurn(() => this.#deliver(chunk))
    this.#goOnIfRoomy()
  }

  override _final (callback: Written): void {
    nextTurn(() => {
      this.#deliverEnd()
      callback()
    })
  }

  // As with a socket, the other end reads what was written before, then finds the end; what it writes fails.
  override _destroy (error: Error | null, callback: Written): void {
    nextTurn(() => this.#deliverEnd())
    callback(error)
  }

  // In a turn of its own, as over a network: no end is given an answer before its `write` has returned.
  #deliver (chunk: Buffer): void {
    const { peer } = this
    this.#underWay -= chunk.length
    if (peer.destroyed) {
      this.destroy(brokenPipe())
      return
    }
    peer.bytesRead += chunk.length
    peer.push(chunk)
    this.#goOnIfRoomy()
  }

  #deliverEnd (): void {
    const { peer } = this
    if (!peer.destroyed) peer.push(null)
    if (!this.destroyed) return
    this.#goOn(brokenPipe())
    peer.#goOn(brokenPipe())
  }

  #goOnIfRoomy (): void {
    const { readableLength, readableHighWaterMark } = this.peer
    if (this.#underWay + readableLength < readableHighWaterMark) this.#goOn()
  }

  #goOn (error?: Error): void {
    const waiting = this.#waiting
    this.#waiting = null
    waiting?.(error)
  }
}

/** Both ends of a connection: that of a client, who is seen to come from `remoteAddress`, and that of the server. */
export function connectStreams (remoteAddress: string, encrypted: boolean): [near: InjectedStream, far: InjectedStream] {
  const near = new InjectedStream('127.0.0.1', encrypted)
  const far = new InjectedStream(remoteAddress, encrypted)
  near.peer = far
  far.peer = near
  return [near, far]
}

function brokenPipe (): Error {
  return Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
}
