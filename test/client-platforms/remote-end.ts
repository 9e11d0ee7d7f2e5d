import { pack, unpack } from './packing'
import type { Assertions } from '../contract/assertions'
import type { Message, OtherEnd } from '../contract/other-end'

// The compiler options of this package do not include the globals of a page.
declare const WebSocket: any

/** The other end of a channel, in the process of the host. The host makes each call, and answers with its result. */
export class RemoteEnd implements OtherEnd {
  readonly closed: OtherEnd['closed']
  readonly #socket: any
  readonly #calls = new Map<number, { resolve (value: any): void, reject (error: Error): void }>()
  #count = 0

  private constructor (socket: any) {
    this.#socket = socket
    socket.onmessage = ({ data }: { data: string }) => {
      const { call, value, error } = unpack(data)
      const { resolve, reject } = this.#calls.get(call)!
      this.#calls.delete(call)
      if (error === undefined) resolve(value)
      else reject(new Error(error))
    }
    this.closed = this.#call('closed')
  }

  /** Asks the host at `url` for the other end of a channel. It ends with `t`. */
  static async open (t: Assertions, url: string): Promise<RemoteEnd> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/control`)
    t.teardown(() => socket.close())
    await new Promise((resolve, reject) => {
      socket.onopen = resolve
      socket.onerror = () => reject(new Error('the host is out of reach'))
    })
    return new RemoteEnd(socket)
  }

  /** Resolves with the URL at which the host expects the channel. */
  url (isCompressed: boolean): Promise<string> {
    return this.#call('url', isCompressed)
  }

  protocol (): Promise<string> {
    return this.#call('protocol')
  }

  send (message: Message): Promise<void> {
    return this.#call('send', message)
  }

  next (): Promise<Message> {
    return this.#call('next')
  }

  rest (): Promise<Message[]> {
    return this.#call('rest')
  }

  ping (payload: string): Promise<string> {
    return this.#call('ping', payload)
  }

  write (bytes: Uint8Array): Promise<void> {
    return this.#call('write', bytes)
  }

  pause (): Promise<void> {
    return this.#call('pause')
  }

  resume (): Promise<void> {
    return this.#call('resume')
  }

  close (...args: [code?: number, reason?: string]): Promise<void> {
    return this.#call('close', ...args.filter((arg) => arg !== undefined))
  }

  terminate (): Promise<void> {
    return this.#call('terminate')
  }

  #call (method: string, ...args: unknown[]): Promise<any> {
    return new Promise((resolve, reject) => {
      this.#calls.set(++this.#count, { resolve, reject })
      this.#socket.send(pack({ call: this.#count, method, args }))
    })
  }
}
