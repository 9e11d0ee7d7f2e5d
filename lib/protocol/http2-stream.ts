import { constants, type Http2Stream } from 'node:http2'
import { afterTurn } from '../base/clock'
import type { Duplex } from 'node:stream'

/** A write that is under way leaves within two turns, and what waits behind it in the next. */
const TURNS = 3

/** Whether `stream` is one of HTTP/2, of a server or a client. */
export function isHttp2Stream (stream: Duplex): boolean {
  return 'rstCode' in stream
}

/**
 * A stream that the other side resets with NO_ERROR ends, also if it is paused. Node ends those that are reset with another code. To
 * destroy a stream in 'aborted' that this side resets would keep the reset from being sent (findings/node-http2-reset-is-lost-in-aborted.sh).
 */
export function endWhenReset (stream: Duplex): void {
  stream.on('aborted', endIfNoError)
}

function endIfNoError (this: Http2Stream): void {
  if (this.rstCode === constants.NGHTTP2_NO_ERROR) this.destroy()
}

/**
 * Destroys a stream of HTTP/2 when what was written to it has left, as far as the windows and the kernel take it. A stream loses what
 * waits when it is destroyed; a network socket has handed it to the kernel.
 */
export async function destroyLater (stream: Duplex): Promise<void> {
  for (let turn = 0; turn < TURNS && stream.writableLength > 0; turn++) await afterTurn()
  stream.destroy()
}
