import { Codec } from '../codec/codec'
import { Channel } from '../connection/channel'
import { PlatformConnection } from './platform-connection'
import type { State } from '../base/state'
import type { ClientOptions } from './client-options'
import type { PlatformSocket } from './platform-socket'

/** A client over the platform's own `WebSocket`: in a browser, a worker, Node, Deno or Bun. */
export class PlatformClient extends Channel {
  declare connection: PlatformConnection

  /** `socket` has just opened. */
  constructor (socket: PlatformSocket, options: ClientOptions) {
    super()
    this.codec = new Codec(options)
    if (options.receiveTimeout !== undefined) this.waitOptions = { timeout: options.receiveTimeout }
    this.connection = new PlatformConnection(socket, options, this)
  }

  get state (): State {
    return this.connection.state
  }

  protected override createController (): AbortController {
    return new AbortController()
  }
}
