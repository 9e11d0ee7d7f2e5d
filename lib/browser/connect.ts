import { WebSocketTimeoutError, WebSocketUpgradeError } from '../base/errors'
import { forgetSignal, listenTo, reasonOf } from '../base/signal'
import { PlatformClient } from './client'
import { absolute, CLIENT_CHECKS, CLIENT_DEFAULTS, createSocket, settingsOf, type ClientSettings } from './client-options'
import type { FailureEvent, PlatformSocket } from './platform-socket'

/** `Connect` of types/browser.ts. */
export async function connect (url: string | URL, options?: object): Promise<PlatformClient> {
  return await open(absolute(url), settingsOf('connect', options, CLIENT_CHECKS, CLIENT_DEFAULTS), PlatformClient)
}

/**
 * Opens a connection to `url`, which is absolute. Resolves with a client when the connection is open. Rejects with
 * `WebSocketUpgradeError`, with `WebSocketTimeoutError` after `connectTimeout`, or with the signal's reason.
 */
export function open<Client> (url: string, settings: ClientSettings, Client: new (socket: PlatformSocket, settings: ClientSettings) => Client): Promise<Client> {
  const { connectTimeout, signal } = settings
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) throw reasonOf(signal)
    const socket = createSocket(url, settings)
    socket.binaryType = 'arraybuffer'
    const settle = (): void => {
      clearTimeout(timer)
      if (signal !== undefined) forgetSignal(signal, onAbort)
    }
    const fail = (error: unknown): void => {
      settle()
      socket.onopen = socket.onclose = socket.onerror = () => {}
      socket.close()
      reject(error)
    }
    const onAbort = (): void => fail(reasonOf(signal!))
    const timer = setTimeout(() => fail(new WebSocketTimeoutError(`no connection within ${connectTimeout} ms`)), connectTimeout)
    socket.onopen = () => {
      settle()
      resolve(new Client(socket, settings))
    }
    // After a failure, some platforms emit `error` alone, and some emit `close` alone. None tells a page the status.
    socket.onerror = socket.onclose = (event: FailureEvent) => fail(refused(event))
    try {
      if (signal !== undefined) listenTo(signal, onAbort)
    } catch (error) {
      fail(error)
    }
  })
}

function refused (event: FailureEvent): WebSocketUpgradeError {
  const message = 'the connection was not opened: the server refuses it or cannot be reached'
  return new WebSocketUpgradeError(message, undefined, { cause: event.error ?? event.message })
}
