import { setImmediate } from 'node:timers/promises'
import type { Test } from 'tap'
import { ConnectionEnd } from '../../lib/base/connection-end'
import { SendQueue, type SendQueueOptions } from '../../lib/connection/send-queue'
import { createEndpoint, type Owned, type StreamPair } from './endpoint'

/** The `sendHighWaterMark` of a send queue. */
export const MARK = 64 * 1024
export const MiB = 1024 * 1024

export interface SendQueueFixture extends StreamPair, Owned {
  sendQueue: SendQueue
  /** How often the send queue has dropped its client. */
  stalls: number
  /** Stands for the receive queue: whether the handler still takes messages from before the end. */
  taker: { isCatchingUp: boolean }
}

/** Creates a send queue on the server's end of a connection, connected to it as `Connection` does. */
export async function createSendQueue (t: Test, { secure = false, ...options }: Partial<SendQueueOptions> & { secure?: boolean } = {}): Promise<SendQueueFixture> {
  const owned = await createEndpoint(t, { secure })
  const { endpoint, closed } = owned
  const terminate = (): void => {
    fixture.stalls++
    endpoint.terminate()
  }
  const sending = { stream: endpoint.stream, writer: endpoint.writer, frames: endpoint.frames, get readyState () { return endpoint.readyState }, terminate }
  const sendQueue = new SendQueue(sending, { sendHighWaterMark: MARK, sendTimeout: 30_000, ...options })
  const fixture = { ...owned, sendQueue, stalls: 0, taker: { isCatchingUp: false } }
  fixture.closed = closed.then((end) => {
    sendQueue.end(new ConnectionEnd(end.code, end.reason, end.code !== 1006), fixture.taker)
    return end
  })
  return fixture
}

/** Resolves with the next `count` messages that the client gets, as text. */
export async function receive ({ client }: Pick<StreamPair, 'client'>, count: number): Promise<string[]> {
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
