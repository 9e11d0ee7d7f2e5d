import { forgetSignal, listenTo } from '../base/signal'
import { platform } from './platform-socket'

/** The events of a page after which an attempt may succeed at once, and their targets. */
const EVENTS = ['online', 'pageshow', 'visibilitychange']

function targets (): EventTarget[] {
  return [platform, platform.document].filter((target) => target?.addEventListener !== undefined) as EventTarget[]
}

/**
 * Waits `delay` milliseconds. When the network or the page comes back meanwhile, the rest of the wait is at most `wakeDelay`, if
 * that is given. Resolves at once when `signal` aborts, or has aborted.
 */
export function wait (delay: number, wakeDelay: number | undefined, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    let end = performance.now() + delay
    let timer = setTimeout(done, delay)
    function done (): void {
      clearTimeout(timer)
      for (const target of targets()) for (const event of EVENTS) target.removeEventListener(event, onWake)
      if (signal !== undefined) forgetSignal(signal, done)
      resolve()
    }
    function onWake ({ type }: Event): void {
      if (type === 'visibilitychange' && platform.document!.visibilityState === 'hidden') return
      end = Math.min(end, performance.now() + wakeDelay!)
      clearTimeout(timer)
      timer = setTimeout(done, end - performance.now())
    }
    if (wakeDelay !== undefined) for (const target of targets()) for (const event of EVENTS) target.addEventListener(event, onWake)
    if (signal !== undefined) listenTo(signal, done)
    if (signal?.aborted === true) done()
  })
}
