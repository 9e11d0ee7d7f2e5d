import WebSocket from 'ws'

/** Frames that wait for the end of the turn. */
export interface HeldFrames {
  /** Hands them to the stream, where what is written next follows them. */
  release (): void
}

/** The `ws` socket of a session. What `ws` or the user sends through it keeps its place among the frames of the session. */
export class SessionWebSocket extends WebSocket {
  held: HeldFrames | null = null

  override send (...args: any[]): void {
    this.held?.release()
    super.send(...args as Parameters<WebSocket['send']>)
  }

  override ping (...args: Parameters<WebSocket['ping']>): void {
    this.held?.release()
    super.ping(...args)
  }

  override pong (...args: Parameters<WebSocket['pong']>): void {
    this.held?.release()
    super.pong(...args)
  }

  override close (...args: Parameters<WebSocket['close']>): void {
    this.held?.release()
    super.close(...args)
  }
}
