import { WebSocketOptionError } from './errors'
import { show } from './show'

/** Throws `WebSocketOptionError` unless `passes`. The message is `subject`, such as `type is`, then `value`, then which value to `use`. */
export function check (passes: boolean, subject: string, value: unknown, use: string): void {
  if (!passes) throw new WebSocketOptionError(`${subject} ${show(value)}: use ${use}`)
}
