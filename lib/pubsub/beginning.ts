import { closeCodes } from '../base/close-codes'
import { WebSocketOptionError, WebSocketTopicError } from '../base/errors'
import { show } from '../base/show'
import { checkObject } from '../base/verb-options'
import { readPosition, type Position } from './position'
import type { Retention } from '../../types/broker'

/** With which messages `subscribe` and `history` begin; without a property: `subscribe` with what comes from now on. */
export interface Beginning {
  /** The messages after this position. */
  after?: Position
  /** So many of the newest messages. */
  last?: number
}

/** The options of `subscribe`. */
export interface SubscribeOptions extends Beginning {
  positions?: boolean
}

const NONE: SubscribeOptions = {}

/**
 * The options of a `subscribe` to `topic`. Throws `WebSocketTopicError` for an option if the topic has no history, for a position that
 * is none, and for `after` and `last` together. Throws `WebSocketOptionError` for other wrong options.
 */
export function subscribeOptionsIn (topic: string, retention: Retention | null, options: unknown): SubscribeOptions {
  if (options === undefined) return NONE
  checkObject('subscribe', options)
  const { positions } = options as Record<string, unknown>
  if (positions !== undefined && typeof positions !== 'boolean') throw new WebSocketOptionError(`positions is ${show(positions)}: use true or false`)
  const beginning = beginningIn('subscribe', options)
  if (retention === null && (positions === true || beginning !== NONE)) throw withoutHistory(topic)
  return positions === undefined ? beginning : { ...beginning, positions }
}

/** The beginning in the options of `verb`. Throws like `subscribeOptionsIn`. */
export function beginningIn (verb: string, options: unknown): Beginning {
  if (options === undefined) return NONE
  checkObject(verb, options)
  const { after, last } = options as Record<string, unknown>
  if (after !== undefined && last !== undefined) throw refused(`${verb} takes after or last, not both`)
  if (after !== undefined) return { after: positionIn(after) }
  if (last === undefined) return NONE
  if (!Number.isSafeInteger(last) || last as number < 1) throw new WebSocketOptionError(`last is ${show(last)}: use a whole number of messages from 1 up`)
  return { last: last as number }
}

/** The error of what needs history on a topic without history. */
export function withoutHistory (topic: string): WebSocketTopicError {
  return refused(`the topic ${show(topic)} has no history: give it one by the option history of the plugin`)
}

function positionIn (value: unknown): Position {
  const position = readPosition(value)
  if (position !== null) return position
  throw refused(`the position ${show(value)} is none: use one that the topic has given, a string of at most 64 printable ASCII characters`)
}

/** A client may have sent what is refused: the error closes its connection with 1008 if the error leaves the handler. */
function refused (message: string): WebSocketTopicError {
  return Object.assign(new WebSocketTopicError(message), { closeCode: closeCodes.POLICY_VIOLATION })
}
