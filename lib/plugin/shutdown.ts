import { setTimeout as delay } from 'node:timers/promises'
import { cutReason } from '../base/closing'
import { atMost, quiet } from '../base/deferred'
import { WebSocketHandshakeError } from '../base/errors'
import { logSafely } from '../base/user-code'
import type { FastifyBaseLogger } from 'fastify'
import type { Session } from '../session/session'
import type { AppState } from './app-state'
import type { ShutdownSettings } from './options'
import type { RawWebSocket } from '../../types/raw'

/** Closes a connection. */
type Close = () => void

/** The milliseconds that dropped connections have to end, and their handlers to learn of the end. */
const LAST_MOMENT = 100

/** Returns the error for a handshake while `app.close()` is running. */
export function serverIsClosing (): WebSocketHandshakeError {
  return new WebSocketHandshakeError('the server is closing', { statusCode: 503 })
}

/**
 * Ends the handshakes with status 503 and the connections with a closing handshake, and waits until they and the handlers have
 * ended. Drops the connections and handshakes that have not ended within `timeout` ms.
 */
export async function shutDown (appState: AppState, settings: ShutdownSettings, log: FastifyBaseLogger): Promise<void> {
  const late = new AbortController()
  appState.closing = true
  closeServer(appState)
  for (const { owner } of appState.handshakes) owner?.turnAway(serverIsClosing())
  const isInTime = await atMost(settings.timeout, closeAll(appState, settings, late.signal))
  late.abort()
  const remaining = { connections: appState.connections.size + appState.sockets.size, handshakes: appState.handshakes.size, handlers: appState.handlers }
  for (const connection of [...appState.connections, ...appState.sockets]) connection.terminate()
  for (const handshake of appState.handshakes) handshake.terminate()
  await atMost(LAST_MOMENT, Promise.all([allEnded(appState), ...Array.from(appState.injected, ({ closed }) => closed)]))
  for (const client of appState.injected) client.terminate()
  await atMost(LAST_MOMENT, Promise.all(appState.routes.map((route) => route.disconnectAll())))
  appState.forget()
  appState.leftovers.end()
  if (!isInTime) log.warn(remaining, `app.close() has dropped the connections, handshakes and handlers that had not ended within ${settings.timeout} ms (shutdown.timeout)`)
}

/**
 * Closes `app.websocketServer` as @fastify/websocket does, with the clients that it has upgraded for other code than the routes of
 * the app. `app.close()` does not wait for those clients.
 */
function closeServer ({ websocketServer: server, sockets }: AppState): void {
  for (const client of server.clients) {
    if (!sockets.has(client as RawWebSocket)) client.close()
  }
  server.close()
}

async function closeAll (appState: AppState, settings: ShutdownSettings, late: AbortSignal): Promise<void> {
  const closes = [...sessionCloses(appState, settings, late), ...rawCloses(appState, settings)]
  const { spread } = settings
  const begin = performance.now()
  for (const [i, close] of closes.entries()) {
    const wait = begin + i * spread / closes.length - performance.now()
    if (wait > 0) await delay(wait, undefined, { signal: late })
    close()
  }
  await allEnded(appState)
}

/** Returns how to close each session. `notify` is called for all sessions at once. A session closes when its `notify` has settled. */
function sessionCloses (appState: AppState, { notify, code, reason }: ShutdownSettings, late: AbortSignal): Close[] {
  return Array.from(appState.sessions(), (session) => {
    const notified = quiet(notifySession(session, notify))
    return () => { quiet(notified.then(() => { if (!late.aborted) session.close(code, reason) })) }
  })
}

async function notifySession (session: Session, notify: ShutdownSettings['notify']): Promise<void> {
  try {
    await notify?.(session)
  } catch (error) {
    logSafely(session, 'error', 'shutdown.notify of fastify-async-websocket threw', error)
  }
}

/** Returns how to close each socket of a route with `raw: true`. */
function rawCloses ({ sockets }: AppState, { code, reason }: ShutdownSettings): Close[] {
  return Array.from(sockets, (socket) => () => socket.close(code, cutReason(reason)))
}

/** Waits for the handshakes first: a refused handshake may have become a connection, which closes at once (`refusal: 'close'`). */
async function allEnded (appState: AppState): Promise<void> {
  await Promise.all(Array.from(appState.handshakes, ({ over }) => over))
  await appState.idle()
}
