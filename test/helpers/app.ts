import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import websocket from '../../lib/index'
import type { WebSocketPluginOptions } from '../../types/options'

/** An app with the plugin, which is closed at the end of `t`. */
export async function createApp (t: Test, options: WebSocketPluginOptions = {}, serverOptions: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(serverOptions)
  t.teardown(() => app.close())
  await app.register(websocket, options)
  return app
}

/** Opens a port of 127.0.0.1 for `app`, and returns its number. */
export async function listen (app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}
