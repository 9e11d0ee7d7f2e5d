import { serve } from './app'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { ReconnectDetails, ReconnectStatus } from '../../types/browser'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'

/** What a server does with a connection. */
export type Act = (ws: WebSocketSession<any>, request: any) => unknown

/** Accepts, and closes with `code`. */
export function closing (code: number, reason = ''): Act {
  return async (ws) => {
    await ws.accept()
    await ws.close(code, reason)
  }
}

/** Accepts, and sends `messages`. The connection stays open. */
export function staying (...messages: string[]): Act {
  return async (ws) => {
    await ws.accept()
    for (const message of messages) await ws.send(message)
    await ws.closed
  }
}

/** Accepts, and ends the connection without a close frame. */
export async function vanish (ws: WebSocketSession<any>): Promise<void> {
  await ws.accept()
  ws.terminate()
}

/** Refuses with an HTTP status. */
export function refusing (status: number, message?: string): Act {
  return (ws) => ws.deny(status, message === undefined ? undefined : { message })
}

/** The attempts that a server has seen. */
export interface Attempts {
  url: string
  app: FastifyInstance
  /** The URL of each attempt, as the server gets it. */
  paths: string[]
}

/** Serves one act after another, one for each attempt. The last act also serves all further attempts. */
export async function serveActs (t: Test, acts: Act[], options?: WebSocketPluginOptions): Promise<Attempts> {
  const paths: string[] = []
  const { app, url } = await serve(t, async (ws, request) => {
    const act = acts[Math.min(paths.length, acts.length - 1)]
    paths.push(request.url)
    await act(ws, request)
  }, options)
  return { url, app, paths }
}

/** What `onStatus` is told. */
export class Statuses {
  readonly names: ReconnectStatus[] = []
  /** The details of each wait. */
  readonly waits: ReconnectDetails[] = []
  #wake = (): void => {}

  readonly onStatus = (status: ReconnectStatus, details?: ReconnectDetails): void => {
    this.names.push(status)
    if (details !== undefined) this.waits.push(details)
    this.#wake()
  }

  /** Resolves when the newest status is `status`, and is the `count`th of its name. */
  async until (status: ReconnectStatus, count = 1): Promise<void> {
    while (this.names.at(-1) !== status || this.names.filter((name) => name === status).length < count) {
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }
}
