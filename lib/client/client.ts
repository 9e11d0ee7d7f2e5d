import { detailsOf } from '../base/show'
import { Codec } from '../codec/codec'
import { Connection, type Negotiated } from '../connection/connection'
import { StreamChannel } from '../connection/stream-channel'
import { Compression } from '../protocol/compression'
import { offerOf, readResponse } from '../protocol/extension'
import { openHandshake, type CreateConnection } from './client-handshake'
import { checkUrl, connectSettings, type ClientSettings } from './client-options'
import { failure } from './refusal-response'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { State } from '../base/state'
import type { ConnectOptions } from '../../types/client'

/** A client: the client's side of a connection. */
export class Client extends StreamChannel {
  /** The headers of the server's response to the handshake. */
  readonly headers: IncomingHttpHeaders

  /** `headers`: those of the server's response to the handshake. */
  constructor (stream: Duplex, headers: IncomingHttpHeaders, negotiated: Negotiated, options: ClientSettings) {
    super()
    this.headers = headers
    this.codec = new Codec(options)
    if (options.receiveTimeout !== undefined) this.waitOptions = { timeout: options.receiveTimeout }
    this.connection = new Connection(stream, negotiated, options, this)
  }

  get state (): State {
    return this.connection!.state
  }

  protected override report (error: unknown): void {
    process.emitWarning(`a listener on the signal of a WebSocket client threw: ${detailsOf(error)}`)
  }
}

/** `Connect` of types/client.ts. */
export async function connect (url: string | URL, options?: ConnectOptions): Promise<Client> {
  return await open(checkUrl('connect', url), connectSettings(options))
}

/** Like `connect`, over the stream of `createConnection` if given. `settings` are checked. */
export async function open (url: string, settings: ClientSettings, createConnection?: CreateConnection): Promise<Client> {
  const { maxPayload, perMessageDeflate } = settings
  const options = typeof perMessageDeflate === 'object' ? perMessageDeflate : {}
  const offer = perMessageDeflate === false ? undefined : offerOf(options)
  const { stream, head, response, protocol, extensions } = await openHandshake(url, { ...settings, extensions: offer }, createConnection)
  const compression = compressionOf(stream, () => {
    const agreement = readResponse(extensions, options)
    return agreement === null ? null : new Compression(agreement, false, options, maxPayload)
  })
  if (head.length > 0) stream.unshift(head)
  return new Client(stream, response.headers, { isServer: false, protocol, compression }, settings)
}

/** Returns what `read` makes of the server's answer. If it throws, the handshake has failed, and `stream` is destroyed. */
function compressionOf (stream: Duplex, read: () => Compression | null): Compression | null {
  try {
    return read()
  } catch (error) {
    stream.destroy()
    throw failure(error as Error)
  }
}
