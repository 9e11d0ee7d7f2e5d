import { MAX_DELAY } from '../base/checks'
import { WebSocketTimeoutError, WebSocketUpgradeError } from '../base/errors'
import { abortable } from './abortable'
import { PlatformClient } from './client'
import { absolute, CLIENT_CHECKS, checked, createSocket, type ClientOptions } from './client-options'
import { OPEN, type FailureEvent, type PlatformSocket } from './platform-socket'

/** `Connect` of types/browser.ts. */
export async function connect (url: string | URL, options?: object): Promise<PlatformClient> {
  return await open(absolute(url), checked(options, CLIENT_CHECKS), PlatformClient)
}

/**
 * Opens a connection to `url`, which is absolute. Resolves with a client when the connection is open. Rejects with
 * `WebSocketUpgradeError`, with `WebSocketTimeoutError` after `connectTimeout`, or with the signal's reason.
 */
export function open<Client> (url: string, options: ClientOptions, Client: new (socket: PlatformSocket, options: ClientOptions) => Client): Promise<Client> {
  const { connectTimeout = 10_000, signal } = options
  return abortable(signal, (resolve, reject) => {
    const socket = createSocket(url, options)
    socket.binaryType = 'arraybuffer'
    const timer = setTimeout(() => reject(new WebSocketTimeoutError(`no connection within ${connectTimeout} ms`)), Math.min(connectTimeout, MAX_DELAY))
    socket.onopen = () => resolve(new Client(socket, options))
    // After a failure, some platforms emit `error` alone, and some emit `close` alone. None tells a page the status.
    socket.onerror = socket.onclose = ({ error, message }: FailureEvent) => {
      reject(new WebSocketUpgradeError('the connection was not opened: the server refuses it or cannot be reached', undefined, { cause: error ?? message }))
    }
    return () => {
      clearTimeout(timer)
      if (socket.readyState === OPEN) return
      socket.onopen = null
      socket.close()
    }
  })
}
