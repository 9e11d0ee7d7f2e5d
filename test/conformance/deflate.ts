import { once } from 'node:events'
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib'

/** What an empty block ends with; it is left out (RFC 7692, section 7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff])

/** The client's side of permessage-deflate, with what was negotiated, to the letter. */
export class Deflate {
  readonly #deflate: DeflateRaw
  readonly #inflate: InflateRaw
  readonly #clientKeeps: boolean
  readonly #serverKeeps: boolean

  /** `extensions` is what the server has answered. */
  constructor (extensions: string) {
    const bits = (name: string): number | undefined => {
      const [, value] = new RegExp(`${name}_max_window_bits=(\\d+)`).exec(extensions) ?? []
      return value === undefined ? undefined : Number(value)
    }
    const serverBits = bits('server')
    this.#clientKeeps = !extensions.includes('client_no_context_takeover')
    this.#serverKeeps = !extensions.includes('server_no_context_takeover')
    this.#deflate = createDeflateRaw({ windowBits: bits('client') ?? 15 })
    // zlib takes what is repeated from its output first, and then from its window. A buffer for the output that is smaller
    // than the window has it notice what is too far back.
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

/** All that comes out of `stream` for `data`. */
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
