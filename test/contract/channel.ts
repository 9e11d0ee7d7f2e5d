import { endingsContract } from './endings'
import { flowContract } from './flow'
import { messagesContract } from './messages'
import type { PlatformChannel } from '../../types/channel'
import type { ValueType } from '../../types/value'
import type { Assertions, Tests } from './assertions'
import type { OtherEnd } from './other-end'

/** Options of the channel, on either side. A channel leaves out the options that it does not have. */
export interface ChannelOptions {
  valueType?: ValueType
  receiveType?: ValueType
  sendType?: ValueType
  sendHighWaterMark?: number
  closeTimeout?: number
  /** Whether both sides compress all messages. Default: no message is compressed. */
  isCompressed?: boolean
  /** The subprotocol that both sides know. */
  subprotocol?: string
}

/** A channel, and a plain WebSocket at the other end. */
export interface Ends {
  channel: PlatformChannel<any, any, any, any, Uint8Array>
  peer: OtherEnd
}

export type Open = (t: Assertions, options?: ChannelOptions) => Promise<Ends>

/** Tests what every channel promises: a session, a client in Node and a client in a browser. */
export function channelContract (t: Tests, open: Open): void {
  messagesContract(t, open)
  endingsContract(t, open)
  flowContract(t, open)
}
