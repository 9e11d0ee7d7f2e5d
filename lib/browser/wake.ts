import { MAX_DELAY } from '../base/checks'
import { abortable } from './abortable'
import { platform } from './platform-socket'

/** The events of a page after which an attempt may succeed at once. */
const EVENTS = ['online', 'pageshow', 'visibilitychange']

/**
 * Waits `delay` milliseconds. When the network or the page comes back meanwhile, the rest of the wait is at most `wakeDelay`, if
 * that is given. Rejects with the reason of `signal` when it aborts.
 */
export function wait (delay: number, wakeDelay: number | undefined, signal: AbortSignal | undefined): Promise<void> {
  return abortable(signal, (resolve) => {
    const timer = setTimeout(resolve, Math.min(delay, MAX_DELAY))
    let wakeTimer: ReturnType<typeof setTimeout> | undefined
    const onWake = ({ type }: Event): void => {
      if (type !== 'visibilitychange' || platform.document!.visibilityState !== 'hidden') wakeTimer ??= setTimeout(resolve, wakeDelay)
    }
    if (wakeDelay !== undefined) for (const event of EVENTS) platform.addEventListener?.(event, onWake)
    return () => {
      clearTimeout(timer)
      clearTimeout(wakeTimer)
      for (const event of EVENTS) platform.removeEventListener?.(event, onWake)
    }
  })
}
