import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'

/* What Fastify does not tell in public. Where it has no such part, it is as if there were nothing to tell. */

/** The one that `app` is a context of, or is itself. */
export function rootOf (app: FastifyInstance): FastifyInstance {
  let root: any = app
  while (!Object.hasOwn(root, 'printPlugins')) root = Object.getPrototypeOf(root)
  return root
}

/** An app that listens on `localhost` has a server for each of its addresses, and shows only the first. */
export function furtherServers (app: FastifyInstance): Server[] {
  return internal(app, 'fastify.serverBindings') as Server[] | undefined ?? []
}

/** Whether the app has requests routed by another URL than the one with which they come. */
export function rewritesUrls (app: FastifyInstance): boolean {
  return optionsOf(app).rewriteUrl !== undefined
}

/** The names of constraints, `host` and `version` perhaps among them, for which the app has a strategy of its own. */
export function customConstraints (app: FastifyInstance): string[] {
  const { constraints, routerOptions } = optionsOf(app)
  return Object.keys({ ...constraints, ...routerOptions?.constraints })
}

interface Options {
  rewriteUrl?: Function
  constraints?: object
  routerOptions?: { constraints?: object }
}

function optionsOf (app: FastifyInstance): Options {
  return internal(app, 'fastify.options') as Options | undefined ?? {}
}

function internal (app: FastifyInstance, description: string): unknown {
  const root = rootOf(app) as unknown as Record<symbol, unknown>
  const key = Object.getOwnPropertySymbols(root).find((symbol) => symbol.description === description)
  return key && root[key]
}
