import { closing } from './close'
import { compression, deflate, negotiation } from './compression'
import { autoFragmentation, fragmentation } from './fragmentation'
import { framing } from './framing'
import { limits } from './limits'
import { pings } from './pings'
import { masking, opcodes, reservedBits } from './reserved'
import { utf8 } from './utf8'
import type { Group } from '../case'

/** All cases. Autobahn has no groups 8 and 11, either. */
export const groups: readonly Group[] = [
  framing, pings, reservedBits, opcodes, fragmentation, utf8, closing, limits, autoFragmentation, compression, negotiation, deflate, masking
]
