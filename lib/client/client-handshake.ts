import { forgetSignal, listenTo, reasonOf } from '../base/signal'
import { guard } from '../base/user-code'
import { ConnectAttempt } from './connect-attempt'
import { targetIn } from './target'
import { UpgradeAttempt } from './upgrade-attempt'
import type { Duplex } from 'node:stream'
import type { HandshakeSettings, Opened } from './attempt'

/** Makes the stream of the client, in place of a network connection. */
export type CreateConnection = () => Duplex

export type { HandshakeSettings, Opened } from './attempt'

/**
 * Sends the opening handshake to `url` over a new connection, or over the stream of `createConnection`, and resolves when the
 * server has completed it (RFC 6455, section 4.1; RFC 8441, section 5). After any other end, the connection is destroyed. Rejects
 *
 * - with `WebSocketOptionError` for a URL, a header or an agent that cannot be used,
 * - with `WebSocketUpgradeError` if the server refuses, answers wrongly, cannot be reached, or takes longer than `handshakeTimeout`,
 * - with the reason of `signal` if the signal aborts first.
 */
export async function openHandshake (url: string, settings: HandshakeSettings, createConnection?: CreateConnection): Promise<Opened> {
  const { handshakeTimeout, http2 = false, signal } = settings
  if (signal?.aborted) throw reasonOf(signal)
  const attempt = new (http2 ? ConnectAttempt : UpgradeAttempt)(targetIn(url), settings, createConnection)
  const onAbort = (): void => attempt.fail(reasonOf(signal!))
  const timer = handshakeTimeout === undefined ? undefined : setTimeout(() => attempt.expire(handshakeTimeout), handshakeTimeout)
  if (signal !== undefined) guard(() => listenTo(signal, onAbort), (error) => attempt.fail(error))
  try {
    return await attempt.opened
  } finally {
    clearTimeout(timer)
    if (signal !== undefined) forgetSignal(signal, onAbort)
  }
}
