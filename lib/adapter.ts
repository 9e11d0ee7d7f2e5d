import { EventEmitter } from 'node:events'
import fastifyPlugin from 'fastify-plugin'
import fastifyWebsocket from '@fastify/websocket'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocketServer } from 'ws'
import type { RawWebSocket } from '../types/raw'

/*
 * @fastify/websocket is registered with an app that is not quite the user's: its listener gets the upgrade requests that
 * this package hands to it, and its hooks stay here. So it brings what it decorates the app with, makes the responses of
 * upgrade requests, and the handlers of routes with `raw: true`, and nothing else.
 */

export type RawHandler = (this: FastifyInstance, socket: RawWebSocket, request: FastifyRequest) => unknown
export type RouteHandler = (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) => unknown
type Routing = (request: IncomingMessage, response: ServerResponse) => void
type OnRoute = (this: FastifyInstance, route: { method: string, websocket: true, handler: Function }) => void

/** What @fastify/websocket does for this package. */
export interface FastifyWebsocket {
  /** `app.websocketServer`, which has the sockets of routes with `raw: true`. */
  readonly server: WebSocketServer
  /** Makes a response for an upgrade request, and has both routed. */
  dispatch (request: IncomingMessage, stream: Duplex): void
  /** A handler of Fastify's that completes the handshake, then gives the socket to `handler`. */
  upgrading (handler: RawHandler): RouteHandler
}

export interface FastifyWebsocketOptions {
  /** Those of its `WebSocketServer`. */
  server: object
  /** Is told of each upgrade request first, also of those of `injectWS`. */
  onUpgrade (request: IncomingMessage, stream: Duplex): void
  /** And of its return from routing. */
  onDispatched (request: IncomingMessage): void
  /** Is called in place of `app.routing`. */
  routing: Routing
}

const EMPTY = Buffer.alloc(0)

/** Registers @fastify/websocket with `app`. */
export async function registerFastifyWebsocket (app: FastifyInstance, { server, onUpgrade, onDispatched, routing }: FastifyWebsocketOptions): Promise<FastifyWebsocket> {
  const upgrades = new EventEmitter()
  upgrades.on('upgrade', onUpgrade)
  let onRoute: OnRoute
  const facade = Object.create(app, {
    routing: { value: routing },
    decorate: { value: (name: string, value: unknown) => app.decorate(name, value) },
    decorateRequest: { value: () => {} }, // `request.ws` is this package's
    addHook: { value: (name: string, hook: Function) => { if (name === 'onRoute') onRoute = hook as OnRoute } }
  })
  const options = { options: { ...server, server: upgrades }, preClose: () => {} }
  const plugin = (_app: FastifyInstance, _options: object, done: (error?: Error) => void): void => { fastifyWebsocket(facade, options as never, done) }
  await app.register(fastifyPlugin(plugin, { fastify: '5.x', name: '@fastify/websocket' }))
  upgrades.on('upgrade', onDispatched)
  return {
    server: app.getDecorator('websocketServer'),
    dispatch (request, stream) {
      upgrades.emit('upgrade', request, stream, EMPTY)
    },
    upgrading (handler) {
      const route = { method: 'GET', websocket: true, handler } as const
      onRoute.call(app, route)
      return route.handler as unknown as RouteHandler
    }
  }
}
