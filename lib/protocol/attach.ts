import { kReader, readInto } from './read-buffer'
import type { Duplex } from 'node:stream'
import type { Endpoint } from './endpoint'

interface Attached extends Duplex {
  [kReader]?: Endpoint
  setTimeout? (milliseconds: number): void
  setNoDelay? (): void
}

/** Passes what happens to the stream of `endpoint` on to it, from now on. The stream begins to flow. */
export function attach (endpoint: Endpoint): void {
  const stream = endpoint.stream as Attached
  stream.setTimeout?.(0) // a network socket; the HTTP server has limited its idle time
  stream.setNoDelay?.()
  stream.on('end', onEnd)
  stream.on('error', onError)
  stream.on('close', onClose)
  readInto(endpoint, stream)
}

// All streams share these listeners. A listener finds the endpoint in its stream, where `readInto` has put it.

function onEnd (this: Attached): void {
  this[kReader]!.readEnd()
}

function onError (this: Attached): void {
  this.destroy() // 'close' follows
}

function onClose (this: Attached): void {
  const rest = this.readableLength > 0 ? this.read(this.readableLength) : null
  this[kReader]!.streamClosed(rest)
}
