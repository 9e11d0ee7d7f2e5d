import { bytes, defined, members, milliseconds, optional, wholeNumber, type Check } from '../base/checks'
import { WebSocketOptionError } from '../base/errors'
import { messageOf, show } from '../base/show'
import type { RetentionOf } from '../pubsub/history'
import type { Retention } from '../../types/broker'
import type { HistoryOptions, WebSocketPluginOptions } from '../../types/options'

const MAX_BYTES = 1024 * 1024

const retention = members({ size: wholeNumber('messages'), ttl: milliseconds, maxBytes: optional(bytes) }, ', false, or a function that returns one of them for a topic')

/** The check of the option `history` of the plugin. */
export const history: Check = (name, value) => {
  if (value !== false && typeof value !== 'function') retention(name, value)
}

/** The retention of each topic, by the option `history`. */
export function retentionBy (option: NonNullable<WebSocketPluginOptions['history']>): RetentionOf {
  if (typeof option === 'function') return (topic) => retentionIn(resultOf(option, topic))
  const all = retentionIn(option)
  return () => all
}

function resultOf (option: (topic: string) => HistoryOptions | false, topic: string): HistoryOptions | false {
  try {
    return option(topic)
  } catch (error) {
    throw new WebSocketOptionError(`option history throws for the topic ${show(topic)}: ${messageOf(error)}`, { cause: error })
  }
}

/** Throws `WebSocketOptionError` for a wrong result of the function `history`. */
function retentionIn (value: HistoryOptions | false): Retention | null {
  if (value === false) return null
  retention('history', value)
  return { maxBytes: MAX_BYTES, ...defined(value) } as Retention
}
