import { CompressingWriter } from './compressing-writer'
import { deflaterFor, History, Inflater, MAX_HISTORY, type Deflater } from './deflate'
import type { FrameWriter, Writer } from './frame-writer'
import type { Agreement, DeflateOptions } from './extension'
import type { Decompressor } from './parser'

/** The compression of one connection, as both sides have agreed on it (RFC 7692). */
export class Compression implements Decompressor {
  readonly #options: DeflateOptions
  readonly #maxPayload: number
  readonly #deflater: Deflater
  /** The window of the own side, and whether its messages may refer to the messages before them. */
  readonly #history: History | null
  readonly #peerBits: number | null
  /** Null until a compressed message arrives. */
  #inflater: Inflater | null = null

  constructor (agreement: Agreement, isServer: boolean, options: DeflateOptions, maxPayload: number) {
    const { serverMaxWindowBits, serverNoContextTakeover, clientMaxWindowBits, clientNoContextTakeover } = agreement
    const [ownBits, ownNoTakeover] = isServer ? [serverMaxWindowBits, serverNoContextTakeover] : [clientMaxWindowBits, clientNoContextTakeover]
    const [peerBits, peerNoTakeover] = isServer ? [clientMaxWindowBits, clientNoContextTakeover] : [serverMaxWindowBits, serverNoContextTakeover]
    this.#options = options
    this.#maxPayload = maxPayload
    this.#deflater = deflaterFor(options, ownBits)
    this.#history = ownNoTakeover ? null : new History(MAX_HISTORY)
    this.#peerBits = peerNoTakeover ? null : peerBits
  }

  /** Returns a writer that compresses messages, and writes to `frames`. */
  createWriter (frames: FrameWriter): Writer {
    return new CompressingWriter(frames, this.#deflater, this.#history)
  }

  inflate (payload: Uint8Array): Buffer {
    return this.#created.inflate(payload)
  }

  inflateLater (payload: Uint8Array): Promise<Buffer> {
    return this.#created.inflateLater(payload)
  }

  get #created (): Inflater {
    this.#inflater ??= new Inflater({ zlibInflateOptions: this.#options.zlibInflateOptions, maxPayload: this.#maxPayload },
      this.#peerBits === null ? null : new History(2 ** this.#peerBits))
    return this.#inflater
  }
}
