import { messageReceived, messageSent } from './channels'
import type { FastifyRequest } from 'fastify'
import type { MessageCount } from '../../types/observe'
import type { RawWebSocket } from '../../types/raw'
import type { OpenConnection } from './app-observer'
import type { Actor, RouteObserver } from './route-observer'

/** The `readyState` of an open socket, and the close code of an end without a close frame. */
const OPEN = 1
const ABNORMAL_CLOSURE = 1006

type Report = (size: number, isText: boolean) => void

/**
 * Observes the plain socket of a route with `raw: true`, by its public interface: a listener to its messages, and a `send` that calls
 * the socket's own. `open` has the socket as long as it is open.
 */
export function observeRaw (raw: RawWebSocket, request: FastifyRequest, observer: RouteObserver, statusCode: number, open: Set<OpenConnection>): void {
  const actor: Actor = { isRaw: true, request }
  const received: MessageCount = { messages: 0, bytes: 0 }
  const sent: MessageCount = { messages: 0, bytes: 0 }
  const connection = { observer, openedAt: performance.now(), sentCode: null, isLost: false, hasFailed: false, traffic: { received, sent } }
  open.add(connection)
  observer.accepted(actor, statusCode, raw.protocol)
  raw.on('message', (data, isBinary) => {
    const size = lengthOf(data)
    count(received, size)
    if (messageReceived.hasSubscribers) observer.received(actor, size, !isBinary)
  })
  reportSent(raw, (size, isText) => {
    count(sent, size)
    if (messageSent.hasSubscribers) observer.sent(actor, size, isText)
  })
  raw.on('close', (code: number, reason: Buffer) => {
    open.delete(connection)
    observer.closed(actor, { code, reason: reason.toString(), wasClean: code !== ABNORMAL_CLOSURE }, connection)
  })
}

function count (total: MessageCount, size: number): void {
  total.messages++
  total.bytes += size
}

/** Reports each message that `raw` sends, when it is whole. */
function reportSent (raw: RawWebSocket, report: Report): void {
  const { send } = raw
  let begun: { size: number, isText: boolean } | null = null
  raw.send = (data: unknown, options?: any, callback?: any) => {
    const isOpen = raw.readyState === OPEN
    Reflect.apply(send, raw, [data, options, callback])
    if (!isOpen) return
    const { fin = true, binary = typeof data !== 'string' && typeof data !== 'number' } = typeof options === 'object' && options !== null ? options : {}
    begun ??= { size: 0, isText: !binary }
    begun.size += lengthOf(data)
    if (!fin) return
    report(begun.size, begun.isText)
    begun = null
  }
}

/** The bytes of what a socket of `ws` sends or delivers. */
function lengthOf (data: any): number {
  if (Array.isArray(data)) return data.reduce((sum, part) => sum + lengthOf(part), 0)
  if (typeof data === 'string' || typeof data === 'number') return Buffer.byteLength(String(data))
  return data?.byteLength ?? data?.size ?? 0
}
