import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { urlOver } from './transport'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import websocket from '../../lib/index'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'

type Handler = (this: FastifyInstance, ws: WebSocketSession<any>, request: any) => unknown

/** Creates an app with the plugin. The app closes at the end of `t`. */
export async function createApp (t: Pick<Test, 'teardown'>, options: WebSocketPluginOptions = {}, serverOptions: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(serverOptions)
  t.teardown(() => app.close())
  await app.register(websocket, options)
  return app
}

/** Lets `app` listen on a free port of 127.0.0.1. Returns the port. */
export async function listen (app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** Creates an app that listens, with one WebSocket route for all paths. */
export async function serve (t: Test, handler: Handler, options: WebSocketPluginOptions = {}, serverOptions: FastifyServerOptions = {}): Promise<{ app: FastifyInstance, port: number, url: string }> {
  const app = await createApp(t, options, serverOptions)
  app.websocket('/*', handler)
  const port = await listen(app)
  return { app, port, url: urlOver(`ws://127.0.0.1:${port}`) }
}
