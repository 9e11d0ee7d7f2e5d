import { setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import { ConnectionEnd } from '../../lib/base/connection-end'
import { SendQueue, type SendQueueOptions } from '../../lib/connection/send-queue'
import { SessionWebSocket } from '../../lib/protocol/websocket'
import { connectWebSockets, type WebSocketPair } from './websocket-pair'

/** The `sendHighWaterMark` of a send queue. */
export const MARK = 64 * 1024
export const MiB = 1024 * 1024

export interface SendQueueFixture extends WebSocketPair {
  sendQueue: SendQueue
  /** How often the send queue has dropped its client. */
  stalls: number
  /** Stands for the receive queue: whether the handler still takes messages from before the end. */
  taker: { isCatchingUp: boolean }
}

/** Creates a send queue on the server's end of a connection, connected to it as `Connection` does. */
export async function createSendQueue (t: Test, { secure = false, ...options }: Partial<SendQueueOptions> & { secure?: boolean } = {}): Promise<SendQueueFixture> {
  const sockets = await connectWebSockets(t, { secure, WebSocket: SessionWebSocket })
  const { server, stream } = sockets
  const sendQueue = new SendQueue(server, stream, { sendHighWaterMark: MARK, sendTimeout: 30_000, ...options })
  const terminate = server.terminate.bind(server)
  server.terminate = () => {
    fixture.stalls++
    terminate()
  }
  server.on('error', () => {})
  server.on('close', (code: number, reason: Buffer) => sendQueue.end(new ConnectionEnd(code, reason.toString(), code !== 1006), fixture.taker))
  const fixture = { ...sockets, sendQueue, stalls: 0, taker: { isCatchingUp: false } }
  return fixture
}

/** Resolves with the next `count` messages that the client gets, as text. */
export async function receive ({ client }: WebSocketPair, count: number): Promise<string[]> {
  const messages: string[] = []
  await new Promise<void>((resolve) => {
    client.on('message', (data: Buffer) => {
      messages.push(data.toString())
      if (messages.length === count) resolve()
    })
  })
  return messages
}

/** Pauses the client, and sends more than the kernel takes. Returns the send, which is pending. */
export function congest ({ client, sendQueue }: SendQueueFixture): { sending: Promise<void> } {
  client.pause()
  return { sending: sendQueue.send(Buffer.alloc(8 * MiB)) }
}

/** Whether `promise` is still pending at the end of the turn of the event loop. */
export async function isPending (promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return await Promise.race([promise, setImmediate(pending)]) === pending
}
