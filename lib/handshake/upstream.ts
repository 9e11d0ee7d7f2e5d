import { WebSocketUpgradeError } from '../base/errors'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** RFC 9110, section 15.6.3: the status of a server that got an invalid response from another server. */
const BAD_GATEWAY = 502

/**
 * An onError hook of an app, which runs before the error handlers of the app. It makes the status 502 if the handler has thrown
 * the error of a connection that another server has refused. That error has the status of the other server, and Fastify would
 * answer with it.
 */
export function answerBadGateway (_request: FastifyRequest, reply: FastifyReply, error: Error, done: () => void): void {
  if (error instanceof WebSocketUpgradeError) {
    error.statusCode = BAD_GATEWAY
    reply.code(BAD_GATEWAY)
  }
  done()
}
