import t, { type Test } from 'tap'
import { connect } from '../../lib/index'
import { listen } from './app'
import type { FastifyInstance } from 'fastify'
import type { IncomingHttpHeaders } from 'node:http'
import type { ConnectOptions } from '../../types/client'
import type { WebSocketClient } from '../../types/session'

/** Opens a connection to a path of an app. */
export type Open = (path: string, options?: ConnectOptions) => Promise<WebSocketClient>

/** A refusal as the client sees it. */
export interface Refused {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/** How clients get to an app. */
const WAYS: Record<string, (app: FastifyInstance) => Promise<Open>> = {
  async 'over a port' (app) {
    const url = `ws://127.0.0.1:${await listen(app)}`
    return (path, options) => connect(url + path, options)
  },
  async 'through injectWebSocket' (app) {
    return (path, options) => app.injectWebSocket(path, options)
  }
}

/** A test that is run for each way to get to an app: `start` makes the app ready for it. */
export function eachTransport (name: string, body: (t: Test, start: (app: FastifyInstance) => Promise<Open>) => Promise<void>): void {
  for (const [way, start] of Object.entries(WAYS)) t.test(`${name}, ${way}`, (t) => body(t, start))
}

/** What `opening` is refused with. */
export async function refused (decision: Promise<WebSocketClient>): Promise<Refused> {
  try {
    await decision
  } catch (error: any) {
    if (error.statusCode === undefined) throw error
    return { status: error.statusCode, headers: error.responseHeaders, body: String(error.body) }
  }
  throw new Error('the handshake was accepted')
}
