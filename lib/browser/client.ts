import { Codec } from '../codec/codec'
import { Channel } from '../connection/channel'
import { PlatformConnection } from './platform-connection'
import type { State } from '../base/state'
import type { WaitOptions } from '../base/verb-options'
import type { ClientSettings } from './client-options'
import type { PlatformSocket } from './platform-socket'

/** A client over the platform's own `WebSocket`: in a browser, a worker, Node, Deno or Bun. */
export class PlatformClient extends Channel {
  declare connection: PlatformConnection
  readonly #waitOptions: WaitOptions | undefined

  /** `socket` has just opened. */
  constructor (socket: PlatformSocket, settings: ClientSettings) {
    super()
    const { valueType, receiveType = valueType, sendType = valueType, receiveTimeout, validate } = settings
    this.codec = new Codec({ receiveType, sendType, validate })
    if (receiveTimeout !== undefined) this.#waitOptions = { timeout: receiveTimeout }
    this.connection = new PlatformConnection(socket, settings, this)
  }

  get state (): State {
    return this.connection.state
  }

  protected override get waitOptions (): WaitOptions | undefined {
    return this.#waitOptions
  }

  protected override createController (): AbortController {
    return new AbortController()
  }
}
