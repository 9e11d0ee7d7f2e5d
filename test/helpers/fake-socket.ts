import type { Test } from 'tap'
import { platform, type FailureEvent, type PlatformSocket } from '../../lib/browser/platform-socket'

/** A platform's `WebSocket` without a connection: the test decides what the platform does. */
export class FakeSocket implements PlatformSocket {
  readonly url: string
  readonly subprotocols: readonly string[]
  readyState = 0
  protocol = ''
  bufferedAmount = 0
  binaryType = 'blob'
  onopen: PlatformSocket['onopen'] = null
  onmessage: PlatformSocket['onmessage'] = null
  onerror: PlatformSocket['onerror'] = null
  onclose: PlatformSocket['onclose'] = null
  /** The messages that have been sent. */
  readonly sent: (string | Uint8Array)[] = []
  /** The arguments of the calls of `close`. */
  readonly closes: unknown[][] = []

  constructor (url = '', subprotocols: readonly string[] = []) {
    this.url = url
    this.subprotocols = subprotocols
  }

  send (data: string | Uint8Array): void {
    this.sent.push(data)
  }

  close (...args: unknown[]): void {
    this.closes.push(args)
    this.readyState = 2
  }

  /** The connection opens. */
  open (): this {
    this.readyState = 1
    this.onopen?.()
    return this
  }

  /** A message arrives. */
  receive (data: string | ArrayBuffer): void {
    this.onmessage!({ data })
  }

  /** The connection fails, or does not open. */
  fail (event: FailureEvent = {}): void {
    this.onerror!(event)
  }

  /** The connection has ended. */
  end (code: number, reason = '', wasClean = true): void {
    this.readyState = 3
    this.onclose!({ code, reason, wasClean })
  }
}

/** Makes `Socket` the platform's `WebSocket` until the end of `t`. */
export function setPlatformSocket (t: Test, Socket: typeof platform.WebSocket): void {
  const { WebSocket } = platform
  platform.WebSocket = Socket
  t.teardown(() => { platform.WebSocket = WebSocket })
}

/** Makes `FakeSocket` the platform's `WebSocket` until the end of `t`. Returns the list of the sockets that are created. */
export function fakeSockets (t: Test): FakeSocket[] {
  const sockets: FakeSocket[] = []
  setPlatformSocket(t, class extends FakeSocket {
    constructor (url: string, subprotocols?: readonly string[]) {
      super(url, subprotocols)
      sockets.push(this)
    }
  })
  return sockets
}
