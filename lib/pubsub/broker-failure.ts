import { WebSocketBrokerError } from '../base/errors'
import { readable } from '../base/user-code'

/** The error of a call of the broker that has failed with `cause`. */
export function brokerFailure (message: string, cause: unknown): WebSocketBrokerError {
  return new WebSocketBrokerError(`${message}: ${readable(cause)?.message ?? cause}`, { cause })
}
