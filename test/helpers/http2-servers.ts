import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyServerOptions } from 'fastify'

const fixture = (name: string): Buffer => readFileSync(join(__dirname, '..', 'fixtures', name))

/** A certificate for the servers of tests, and its key. */
export const TLS = { key: fixture('key.pem'), cert: fixture('cert.pem') }

/** The options of Fastify for servers that speak HTTP/2. */
export const HTTP2_SERVERS = {
  'in the clear': { http2: true } as unknown as FastifyServerOptions,
  'with TLS': { http2: true, https: TLS } as unknown as FastifyServerOptions,
  'with TLS, beside HTTP/1.1': { http2: true, https: { ...TLS, allowHTTP1: true } } as unknown as FastifyServerOptions
}
