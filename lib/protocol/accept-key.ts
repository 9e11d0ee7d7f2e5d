import { createHash } from 'node:crypto'

/** The value that the protocol appends to every key (RFC 6455, section 1.3). */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Returns the value of `Sec-WebSocket-Accept` that answers `key`, the value of `Sec-WebSocket-Key` (RFC 6455, section 4.2.2). */
export function acceptKey (key: string): string {
  return createHash('sha1').update(key + GUID).digest('base64')
}
