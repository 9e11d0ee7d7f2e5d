import t, { type Test } from 'tap'
import { connect } from '../../lib/index'
import { listen } from './app'
import type { FastifyInstance } from 'fastify'
import type { IncomingHttpHeaders } from 'node:http'
import type { ConnectOptions } from '../../types/client'
import type { WebSocketClient } from '../../types/session'

/** Opens a connection to a path of an app. */
export type Open = (path: string, options?: ConnectOptions) => Promise<WebSocketClient>

/** A refused handshake as the client sees it. */
export interface Refused {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** The ways in which a client connects to an app. */
const TRANSPORTS: Record<string, (app: FastifyInstance) => Promise<Open>> = {
  async 'over a port' (app) {
    const url = `ws://127.0.0.1:${await listen(app)}`
    return (path, options) => connect(url + path, options)
  },
  async 'through injectWebSocket' (app) {
    return (path, options) => app.injectWebSocket(path, options)
  }
}

/** Runs a test once for each transport. `start` makes the app ready, and resolves with the function that opens a connection. */
export function eachTransport (name: string, body: (t: Test, start: (app: FastifyInstance) => Promise<Open>) => Promise<void>): void {
  for (const [transport, start] of Object.entries(TRANSPORTS)) t.test(`${name}, ${transport}`, (t) => body(t, start))
}

/** Resolves with the refusal that `connecting` rejects with. */
export async function refused (connecting: Promise<WebSocketClient>): Promise<Refused> {
  try {
    await connecting
  } catch (error: any) {
    if (error.statusCode === undefined) throw error
    return { status: error.statusCode, headers: error.responseHeaders, body: String(error.body) }
  }
  throw new Error('the handshake was accepted')
}
