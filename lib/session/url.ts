import type { FastifyRequest } from 'fastify'

/**
 * Returns the URL of an upgrade request. The client can omit `Host` or send any text as `Host`, and it can send the whole URL as the
 * target of the request (RFC 9112, section 3.2.2).
 */
export function urlOf ({ protocol, host, originalUrl }: FastifyRequest): URL {
  const origin = `${protocol === 'https' ? 'wss' : 'ws'}://${host}`
  return new URL(`${URL.canParse(origin) ? origin : 'ws://localhost'}${originalUrl.replace(/^https?:\/\/[^/?]*/i, '')}`)
}
