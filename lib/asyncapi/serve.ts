import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { WebSocketDecodeError, WebSocketValidationError } from '../base/errors'
import { pageHtml } from './html'
import { toYaml } from './yaml'
import type { FastifyInstance } from 'fastify'
import type { AsyncApiOptions } from '../../types/asyncapi'
import type { Built } from './document'

const FILES = join(__dirname, 'page')

const SCRIPTS = ['page.js', 'channel.js', 'console.js', 'connection.js', 'elements.js', 'example.js', 'schema.js']

/**
 * Serves the document and its page below `prefix`. `hooks` apply to all of it. No document of an HTTP API has these routes.
 * `built` returns the document when the app is ready.
 */
export async function serve (app: FastifyInstance, prefix: string, hooks: AsyncApiOptions['hooks'], built: () => Built): Promise<void> {
  await app.register(async (context) => {
    for (const hook of [hooks?.onRequest ?? []].flat()) context.addHook('onRequest', hook)
    for (const hook of [hooks?.preHandler ?? []].flat()) context.addHook('preHandler', hook)
    addDocument(context, built)
    addPage(context, built)
    addCheck(context, built)
  }, { prefix })
}

/** For @fastify/swagger. */
const schema = { hide: true } as object

function addDocument (context: FastifyInstance, built: () => Built): void {
  context.get('/json', { schema }, async (_request, reply) => reply.type('application/json; charset=utf-8').send(JSON.stringify(built().document)))
  // RFC 9512
  context.get('/yaml', { schema }, async (_request, reply) => reply.type('application/yaml; charset=utf-8').send(toYaml(built().document)))
}

function addPage (context: FastifyInstance, built: () => Built): void {
  context.get('/', { schema }, async (request, reply) => {
    reply.type('text/html; charset=utf-8')
    return pageHtml(built().document.info, context.prefix, request.originalUrl)
  })
  const add = (path: string, type: string): void => {
    const content = readFileSync(path)
    context.get(`/static/${basename(path)}`, { schema }, async (_request, reply) => reply.type(`${type}; charset=utf-8`).send(content))
  }
  for (const name of SCRIPTS) add(join(FILES, name), 'text/javascript')
  add(join(FILES, 'page.css'), 'text/css')
  add(require.resolve('fastify-async-websocket/client'), 'text/javascript')
}

/**
 * Checks a message for the console of the page: with the validator of the route itself, whatever its schemas are made with. A validator
 * in the page would have to be compiled there, which a Content-Security-Policy without `unsafe-eval` forbids.
 */
function addCheck (context: FastifyInstance, built: () => Built): void {
  // The body is the message itself, whatever its media type.
  context.removeAllContentTypeParsers()
  context.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => { done(null, body) })
  context.post('/check/:channel', { schema }, async (request, reply) => {
    const { channel } = request.params as { channel: string }
    const route = built().routes.get(channel)
    if (route === undefined || route.raw) return reply.callNotFound()
    return await check(() => route.codec(request, reply).decode(request.body as string ?? ''))
  })
}

async function check (decode: () => unknown): Promise<object> {
  try {
    await decode()
    return { valid: true }
  } catch (error) {
    if (error instanceof WebSocketValidationError) return { valid: false, error: error.message, validation: error.validation }
    if (error instanceof WebSocketDecodeError) return { valid: false, error: error.message }
    throw error
  }
}
