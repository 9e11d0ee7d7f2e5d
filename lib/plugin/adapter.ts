import { EventEmitter } from 'node:events'
import fastifyWebsocket from '@fastify/websocket'
import fastifyPlugin from 'fastify-plugin'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { WebSocketServer } from 'ws'

/**
 * Registers @fastify/websocket with `app`, of which it decorates the app: `app.websocketServer`, which is returned, and
 * `app.injectWS`. It is given a facade of the app and an emitter in place of the server, so that its hooks come to nothing,
 * and its listener to upgrade requests can be replaced by `onUpgrade`, which hears of those of `injectWS`.
 */
export async function registerFastifyWebsocket (app: FastifyInstance, server: object, onUpgrade: (request: IncomingMessage, stream: Duplex) => void): Promise<WebSocketServer> {
  const upgrades = new EventEmitter()
  const nothing = { value: () => {} }
  const facade = Object.create(app, {
    addHook: nothing,
    decorateRequest: nothing, // `request.ws` is this package's
    decorate: { value: (name: string, value: unknown) => app.decorate(name, value) }
  })
  const plugin = (_app: FastifyInstance, _options: object, done: (error?: Error) => void): void => {
    fastifyWebsocket(facade, { options: { ...server, server: upgrades as never } }, done)
  }
  await app.register(fastifyPlugin(plugin, { fastify: '5.x', name: '@fastify/websocket' }))
  upgrades.removeAllListeners('upgrade').on('upgrade', onUpgrade)
  return app.getDecorator('websocketServer')
}
