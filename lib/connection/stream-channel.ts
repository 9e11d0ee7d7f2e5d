import { rejected } from '../base/deferred'
import { WebSocketOptionError } from '../base/errors'
import { createGuardedController } from '../base/guarded-signal'
import { show } from '../base/show'
import { attempt } from '../base/verb-options'
import { Channel } from './channel'
import type { ConnectionEnd } from '../base/connection-end'
import type { Message } from '../codec/decode'
import type { Connection } from './connection'
import type { IncomingEvent, OutgoingEvent } from '../../types/message'
import type { RawWebSocket } from '../../types/raw'

function decodeEvent (message: Message): IncomingEvent {
  return typeof message === 'string' ? { type: 'websocket.receive', text: message } : { type: 'websocket.receive', bytes: message }
}

/** A channel over a byte stream: a server's session, or a client in Node. It has more verbs than a channel in a browser. */
export abstract class StreamChannel extends Channel {
  /** The connection; null before the handshake is complete. */
  declare connection: Connection | null
  #disconnectReported = false

  /** Reports the error of a listener on `signal`. */
  protected abstract report (error: unknown): void

  protected override createController (): AbortController {
    return createGuardedController((error) => this.report(error))
  }

  /** The connection as a socket of `ws`; null before the handshake is complete. */
  get raw (): RawWebSocket | null {
    return this.connection?.raw ?? null
  }

  /** Receives the next message as an ASGI event. The end of the connection is one event; a later call rejects. */
  receiveEvent (): Promise<IncomingEvent> {
    const atEnd = (end: ConnectionEnd): Promise<IncomingEvent> => {
      if (this.#disconnectReported) return rejected(end.during('receiveEvent'))
      this.#disconnectReported = true
      return Promise.resolve({ type: 'websocket.disconnect', code: end.code, reason: end.reason })
    }
    return attempt('receiveEvent', () => this.take(decodeEvent, this.waitOptions, { atEnd }) as Promise<IncomingEvent>)
  }

  /** Performs the action of an ASGI event. */
  sendEvent (event: OutgoingEvent): Promise<void> {
    return attempt('sendEvent', () => this.perform(event))
  }

  /** Performs `event`. Throws the errors of reading `event`. */
  protected perform (event: OutgoingEvent): Promise<void> {
    switch (event?.type) {
      case 'websocket.send': return event.bytes != null ? this.sendBytes(event.bytes) : this.sendText(event.text as string)
      case 'websocket.close': return this.close(event.code, event.reason ?? '')
      default: throw new WebSocketOptionError(`cannot send an event of type ${show(event?.type)} here`)
    }
  }

  ping (): Promise<number> {
    return attempt('ping', () => this.opened().ping())
  }

  terminate (): void {
    this.connection!.terminate()
  }
}
