import { eventsContract } from './events'
import { limitsContract } from './limits'
import { pausingContract } from './pausing'
import { pingsContract } from './pings'
import { streamEndingsContract } from './stream-endings'
import { wireContract } from './wire'
import type { Test } from 'tap'
import type { RawWebSocket } from '../../types/raw'
import type { WebSocketChannel } from '../../types/session'
import type { Peer } from '../helpers/peer'
import type { Assertions } from './assertions'
import type { ChannelOptions } from './channel'

/** The options that only a channel over a byte stream has, besides. */
export interface StreamChannelOptions extends ChannelOptions {
  maxPayload?: number
  receiveHighWaterMark?: number
  sendTimeout?: number
}

export interface StreamEnds {
  channel: WebSocketChannel<any> & { readonly raw: RawWebSocket | null }
  peer: Peer
}

export type OpenStream = (t: Assertions, options?: StreamChannelOptions) => Promise<StreamEnds>

/** Tests what a channel over a byte stream promises besides: a session, and a client in Node. */
export function streamChannelContract (t: Test, open: OpenStream): void {
  eventsContract(t, open)
  streamEndingsContract(t, open)
  pausingContract(t, open)
  limitsContract(t, open)
  pingsContract(t, open)
  wireContract(t, open)
}
