import type { FastifyRequest } from 'fastify'

/**
 * Returns the URL of an upgrade request. The client can omit `Host` or send any text as `Host`, and it can send the whole URL as the
 * target of the request (RFC 9112, section 3.2.2).
 */
export function urlOf ({ protocol, host, originalUrl }: FastifyRequest): URL {
  const scheme = protocol === 'https' ? 'wss' : 'ws'
  const origin = `${scheme}://${host}`
  return new URL(`${URL.canParse(origin) ? origin : `${scheme}://localhost`}${originalUrl.replace(/^https?:\/\/[^/?]*/i, '')}`)
}
