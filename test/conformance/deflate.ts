import { once } from 'node:events'
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib'

/** The end of an empty block, which a sender removes (RFC 7692, section 7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff])

/** The client's side of permessage-deflate. It follows the negotiated parameters strictly. */
export class Deflate {
  readonly #deflate: DeflateRaw
  readonly #inflate: InflateRaw
  readonly #clientKeeps: boolean
  readonly #serverKeeps: boolean

  /** `extensions` is the header of the server's response. */
  constructor (extensions: string) {
    const bits = (name: string): number | undefined => {
      const [, value] = new RegExp(`${name}_max_window_bits=(\\d+)`).exec(extensions) ?? []
      return value === undefined ? undefined : Number(value)
    }
    const serverBits = bits('server')
    this.#clientKeeps = !extensions.includes('client_no_context_takeover')
    this.#serverKeeps = !extensions.includes('server_no_context_takeover')
    this.#deflate = createDeflateRaw({ windowBits: bits('client') ?? 15 })
    // zlib looks for a repeated string first in its output, then in its window. With an output buffer smaller than the
    // window, zlib notices a distance that is too far back.
    this.#inflate = createInflateRaw(serverBits === undefined ? {} : { windowBits: serverBits, chunkSize: 2 ** (serverBits - 1) })
  }

  async compress (payload: Buffer): Promise<Buffer> {
    const data = await flushed(this.#deflate, payload)
    if (!this.#clientKeeps) this.#deflate.reset()
    return data.subarray(0, -TAIL.length)
  }

  async decompress (data: Buffer): Promise<Buffer> {
    const payload = await flushed(this.#inflate, Buffer.concat([data, TAIL]))
    if (!this.#serverKeeps) this.#inflate.reset()
    return payload
  }

  close (): void {
    this.#deflate.close()
    this.#inflate.close()
  }
}

/** Resolves with all output of `stream` for `data`. */
async function flushed (stream: DeflateRaw | InflateRaw, data: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = []
  const collect = (chunk: Buffer): void => { chunks.push(chunk) }
  stream.on('data', collect)
  const failed = new AbortController()
  try {
    stream.write(data)
    const done = new Promise<void>((resolve) => stream.flush(constants.Z_SYNC_FLUSH, resolve))
    await Promise.race([done, once(stream, 'error', failed).then(([error]) => { throw error })])
  } finally {
    failed.abort()
    stream.off('data', collect)
  }
  return Buffer.concat(chunks)
}
