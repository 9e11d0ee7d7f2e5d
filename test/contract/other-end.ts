/** A message: a string for a text message, bytes for a binary one. */
export type Message = string | Uint8Array

/** A plain WebSocket at the other end of a channel, in this process or in another. Its calls take effect in their order. */
export interface OtherEnd {
  /** Resolves with the code and the reason when the connection has ended. */
  readonly closed: Promise<{ code: number, reason: string }>
  /** Resolves with the subprotocol. */
  protocol (): Promise<string>
  /** Sends a message. Resolves when the message has been written, or when that has failed. */
  send (message: Message): Promise<void>
  /** Resolves with the next message. */
  next (): Promise<Message>
  /** Resolves with all further messages when the connection has ended. */
  rest (): Promise<Message[]>
  /** Sends a ping. Resolves with the payload of the pong. */
  ping (payload: string): Promise<string>
  /** Writes bytes to the connection, past the WebSocket. */
  write (bytes: Uint8Array): Promise<void>
  /** Stops reading. */
  pause (): Promise<void>
  resume (): Promise<void>
  /** Begins the closing handshake. */
  close (code?: number, reason?: string): Promise<void>
  /** Drops the connection. */
  terminate (): Promise<void>
}
