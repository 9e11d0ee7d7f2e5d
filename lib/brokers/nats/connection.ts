import { WebSocketOptionError } from '../../base/errors'

/** The members of a message that the broker uses. */
export interface Message {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers?: { readonly code: number, readonly description: string, get (name: string): string }
}

/** The members of a connection to NATS that the broker uses. The types of the NATS client are not needed to compile. */
export interface NatsConnection {
  readonly info?: { max_payload: number }
  publish (subject: string, payload: Uint8Array, options?: { reply: string }): void
  subscribe (subject: string, options: { callback: (error: Error | null, message: Message) => void }): { unsubscribe (): void }
  flush (): Promise<void>
  rtt (): Promise<number>
  status (): AsyncIterable<{ type: string }>
  stats (): { inMsgs: number }
  isClosed (): boolean
  closed (): Promise<unknown>
  reconnect? (): Promise<void>
}

/** A connection with members that the types of the NATS client do not have. */
export interface Internals extends NatsConnection {
  options?: { reconnect?: boolean, maxReconnectAttempts?: number, inboxPrefix?: string }
  protocol?: { transport?: { socket?: { destroy? (): void } } }
}

/** A status event of a connection. `nats` 2 has `data` in place of the `error` of version 3, and the subject beside it. */
export interface Status {
  type: string
  error?: Error & { subject?: string }
  data?: unknown
  permissionContext?: { subject: string }
}

export interface Statuses extends AsyncIterable<Status> {
  stop? (): void
}

const METHODS = ['publish', 'subscribe', 'flush', 'rtt', 'status', 'stats', 'isClosed', 'closed'] as const

/** The advice for a connection that gives up after an outage. */
export const FOR_EVER = 'connect with maxReconnectAttempts: -1'

/** Whether the connection reconnects after any outage. */
export function triesForEver ({ options }: Internals): boolean {
  return options === undefined || (options.reconnect !== false && options.maxReconnectAttempts === -1)
}

/** Throws `WebSocketOptionError` unless `connection` is an open connection to NATS. */
export function checkConnection (connection: any): void {
  if (!isConnection(connection)) {
    throw new WebSocketOptionError('natsBroker takes a connection of @nats-io/transport-node, await connect(…), and has got something else')
  }
  if (connection.isClosed()) throw new WebSocketOptionError('natsBroker takes an open connection, and has got one that is closed')
}

/** Throws if `message` has more bytes than the server takes. The limit is known while the broker is up. */
export function checkLength ({ info }: NatsConnection, { length }: Uint8Array): void {
  const max = info?.max_payload as number
  if (length > max) throw new Error(`the message has ${length} bytes, and the NATS server takes ${max} (max_payload)`)
}

function isConnection (value: any): boolean {
  try {
    return typeof value === 'object' && value !== null && METHODS.every((name) => typeof value[name] === 'function')
  } catch {
    return false // a proxy that throws
  }
}
