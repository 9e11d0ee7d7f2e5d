import { setTimeout as delay } from 'node:timers/promises'
import { cutReason } from '../base/close-codes'
import { atMost, quiet } from '../base/deferred'
import { WebSocketHandshakeError } from '../base/errors'
import { logSafely } from '../base/user-code'
import { ownerOf } from '../connection/connection'
import type { FastifyBaseLogger } from 'fastify'
import type { Session } from '../session/session'
import type { AppState } from './app-state'
import type { ShutdownSettings } from './options'
import type { RawWebSocket } from '../../types/raw'

/** What a connection is given to be closed. */
type Close = () => void

/** How long what has been dropped may take to end, in milliseconds: its handlers have to learn of it. */
const LAST_MOMENT = 100

/** What a client is told while `app.close()` is at work. */
export function serverIsClosing (): WebSocketHandshakeError {
  return new WebSocketHandshakeError('the server is closing', { statusCode: 503 })
}

/**
 * Ends everything: handshakes with 503, connections with a closing handshake, and waits for all of it and for the
 * handlers. What is left after `timeout` is dropped.
 */
export async function shutDown (appState: AppState, settings: ShutdownSettings, log: FastifyBaseLogger): Promise<void> {
  const late = new AbortController()
  appState.closing = true
  closeServer(appState)
  for (const { owner } of appState.handshakes) owner?.turnAway(serverIsClosing())
  const isInTime = await atMost(settings.timeout, closeAll(appState, settings, late.signal))
  late.abort()
  const left = { connections: appState.sockets.size, handshakes: appState.handshakes.size, handlers: appState.handlers }
  for (const socket of appState.sockets) socket.terminate()
  for (const { stream } of appState.handshakes) stream.destroy()
  for (const client of appState.injected) client.terminate()
  await atMost(LAST_MOMENT, allEnded(appState))
  await atMost(LAST_MOMENT, Promise.all(appState.routes.map((route) => route.disconnectAll())))
  appState.forget()
  appState.leftovers.end()
  if (!isInTime) log.warn(left, `app.close() has dropped what had not ended within ${settings.timeout} ms (shutdown.timeout)`)
}

/** Closes `app.websocketServer` as @fastify/websocket does, with what others than its routes have upgraded by it: that is not waited for. */
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

/** `notify` is told of all sessions at once; a session is closed when it has settled. */
function sessionCloses (appState: AppState, { notify, code, reason }: ShutdownSettings, late: AbortSignal): Close[] {
  return Array.from(appState.sessions(), (session) => {
    const notified = quiet(tell(session, notify))
    return () => { quiet(notified.then(() => { if (!late.aborted) session.close(code, reason) })) }
  })
}

async function tell (session: Session, notify: ShutdownSettings['notify']): Promise<void> {
  try {
    await notify?.(session)
  } catch (error) {
    logSafely(session, 'error', 'shutdown.notify of fastify-async-websocket threw', error)
  }
}

/** Those of the sockets that are no session's. */
function rawCloses ({ sockets }: AppState, { code, reason }: ShutdownSettings): Close[] {
  const others = [...sockets].filter((socket) => ownerOf(socket) === undefined)
  return others.map((socket) => () => socket.close(code, cutReason(reason)))
}

/** A handshake that is over may have become a connection, which closes at once (`refusal: 'close'`). */
async function allEnded (appState: AppState): Promise<void> {
  await Promise.all(Array.from(appState.handshakes, ({ over }) => over))
  await Promise.all(Array.from(appState.sockets, closed))
  await appState.handlersEnded()
}

function closed (socket: RawWebSocket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}
