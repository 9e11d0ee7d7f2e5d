import { setTimeout as delay } from 'node:timers/promises'
import { cutReason } from '../base/close-codes'
import { WebSocketHandshakeError } from '../base/errors'
import { atMost, quiet } from '../base/deferred'
import { ownerOf } from '../connection/connection'
import { logSafely } from '../base/user-code'
import type { FastifyBaseLogger } from 'fastify'
import type { ShutdownSettings } from './options'
import type { Service } from './app-state'
import type { Session } from '../session/session'
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
export async function shutDown (service: Service, settings: ShutdownSettings, log: FastifyBaseLogger): Promise<void> {
  const late = new AbortController()
  service.closing = true
  closeServer(service)
  for (const { owner } of service.handshakes) owner?.turnAway(serverIsClosing())
  const isInTime = await atMost(settings.timeout, closeAll(service, settings, late.signal))
  late.abort()
  const left = { connections: service.sockets.size, handshakes: service.handshakes.size, handlers: service.handlers }
  for (const socket of service.sockets) socket.terminate()
  for (const { stream } of service.handshakes) stream.destroy()
  for (const client of service.injected) client.terminate()
  await atMost(LAST_MOMENT, allEnded(service))
  await atMost(LAST_MOMENT, Promise.all(service.routes.map((route) => route.disconnectAll())))
  service.forget()
  service.leftovers.end()
  if (!isInTime) log.warn(left, `app.close() has dropped what had not ended within ${settings.timeout} ms (shutdown.timeout)`)
}

/** Closes `app.websocketServer` as @fastify/websocket does, with what others than its routes have upgraded by it: that is not waited for. */
function closeServer ({ websocketServer: server, sockets }: Service): void {
  for (const client of server.clients) {
    if (!sockets.has(client as RawWebSocket)) client.close()
  }
  server.close()
}

async function closeAll (service: Service, settings: ShutdownSettings, late: AbortSignal): Promise<void> {
  const closes = [...sessionCloses(service, settings, late), ...rawCloses(service, settings)]
  const { spread } = settings
  const begin = performance.now()
  for (const [i, close] of closes.entries()) {
    const wait = begin + i * spread / closes.length - performance.now()
    if (wait > 0) await delay(wait, undefined, { signal: late })
    close()
  }
  await allEnded(service)
}

/** `notify` is told of all sessions at once; a session is closed when it has settled. */
function sessionCloses (service: Service, { notify, code, reason }: ShutdownSettings, late: AbortSignal): Close[] {
  return Array.from(service.sessions(), (session) => {
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
function rawCloses ({ sockets }: Service, { code, reason }: ShutdownSettings): Close[] {
  const others = [...sockets].filter((socket) => ownerOf(socket) === undefined)
  return others.map((socket) => () => socket.close(code, cutReason(reason)))
}

/** A handshake that is over may have become a connection, which closes at once (`refusal: 'close'`). */
async function allEnded (service: Service): Promise<void> {
  await Promise.all(Array.from(service.handshakes, ({ over }) => over))
  await Promise.all(Array.from(service.sockets, closed))
  await service.handlersEnded()
}

function closed (socket: RawWebSocket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve))
}
