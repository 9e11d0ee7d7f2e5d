import type { EventEmitter } from 'node:events'

/**
 * The part of a `ws` socket that this package uses. The package declares this part itself, so that its declarations need
 * neither `@types/ws` nor the types of @fastify/websocket. A `WebSocket` of `ws` is assignable to `RawWebSocket`. For the
 * whole interface of `ws`, cast the socket: `socket as unknown as WebSocket`.
 */
export interface RawWebSocket extends EventEmitter {
  readonly readyState: number
  readonly protocol: string
  readonly extensions: string
  readonly bufferedAmount: number
  readonly isPaused: boolean
  send(data: string | Uint8Array, options?: RawSendOptions, callback?: (error?: Error) => void): void
  send(data: string | Uint8Array, callback?: (error?: Error) => void): void
  ping(data?: string | Uint8Array, mask?: boolean, callback?: (error: Error) => void): void
  pong(data?: string | Uint8Array, mask?: boolean, callback?: (error: Error) => void): void
  close(code?: number, reason?: string | Buffer): void
  terminate(): void
  pause(): void
  resume(): void
}

export interface RawSendOptions {
  binary?: boolean
  compress?: boolean
  fin?: boolean
  mask?: boolean
}
