import { typeOf } from './encode'
import type { ValueType } from '../../types/message'

/** What an encoded message is. */
export type MessageKind = 'text' | 'json' | 'bytes'

/** What the encoder of `type` makes of `value`. */
export function kindOf (type: ValueType, value: unknown): MessageKind {
  const kind = type === 'any' ? typeOf(value) : type
  return kind === 'json' || kind === 'bytes' ? kind : 'text'
}
