import { isBytes } from './encode'
import type { ValueType } from '../../types/message'

/** What an encoded message is. */
export type MessageKind = 'text' | 'json' | 'bytes'

/** What the encoder of `type` makes of `value`. */
export function kindOf (type: ValueType, value: unknown): MessageKind {
  if (type === 'json' || type === 'bytes') return type
  if (type !== 'any' || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return 'text'
  return isBytes(value) ? 'bytes' : 'json'
}
