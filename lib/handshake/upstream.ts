import { WebSocketUpgradeError } from '../base/errors'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** RFC 9110, section 15.6.3: what a server says that needed another one, and got no good answer from it. */
const BAD_GATEWAY = 502

/**
 * An onError hook of an app, which runs before its error handlers. Where another server has refused a connection, and the
 * handler has let the error go, the status that it has is that of the other server: Fastify would answer with it.
 */
export function answerBadGateway (_request: FastifyRequest, reply: FastifyReply, error: Error, done: () => void): void {
  if (error instanceof WebSocketUpgradeError) {
    error.statusCode = BAD_GATEWAY
    reply.code(BAD_GATEWAY)
  }
  done()
}
