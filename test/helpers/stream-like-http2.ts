import { Duplex } from 'node:stream'

type Leave = (chunk: Buffer, left: () => void) => void

/** A stream like one of HTTP/2. `leave` is called with each chunk, or with the chunks that are written at once. */
export class StreamLikeHttp2 extends Duplex {
  readonly rstCode = 0

  constructor (readonly leave: Leave) {
    super()
  }

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: string, left: () => void): void {
    this.leave(chunk, left)
  }

  override _writev (chunks: { chunk: Buffer }[], left: () => void): void {
    this.leave(Buffer.concat(chunks.map(({ chunk }) => chunk)), left)
  }
}
