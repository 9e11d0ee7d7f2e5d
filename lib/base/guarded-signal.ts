import { setMaxListeners } from 'node:events'
import { guard } from './user-code'

type Listener = ((event: Event) => unknown) | { handleEvent (event: Event): unknown }
type Report = (error: unknown) => void

/**
 * Creates an AbortController whose listeners cannot end the process. Node raises an error that a listener of an AbortSignal
 * throws as an uncaught exception. The listeners of this signal are wrapped: their errors go to `report`.
 */
export function createGuardedController (report: Report): AbortController {
  const controller = new AbortController()
  const { signal } = controller
  setMaxListeners(0, signal) // a handler may add a listener for each of many concurrent operations, which is no leak
  const guards = new WeakMap<object, Listener>()

  function guarded (listener: Listener): Listener {
    let wrapped = guards.get(listener)
    if (wrapped === undefined) {
      wrapped = (event) => guard(() => call(listener, signal, event), report)
      guards.set(listener, wrapped)
    }
    return wrapped
  }

  Object.defineProperties(signal, {
    addEventListener: {
      value (type: string, listener: Listener | null, options?: object | boolean) {
        EventTarget.prototype.addEventListener.call(signal, type, (isListener(listener) ? guarded(listener) : listener) as never, options as never)
      }
    },
    removeEventListener: {
      value (type: string, listener: Listener | null, options?: object | boolean) {
        EventTarget.prototype.removeEventListener.call(signal, type, ((isListener(listener) && guards.get(listener)) || listener) as never, options as never)
      }
    }
  })
  return controller
}

function isListener (listener: unknown): listener is Listener {
  return (typeof listener === 'object' && listener !== null) || typeof listener === 'function'
}

function call (listener: Listener, signal: AbortSignal, event: Event): unknown {
  return typeof listener === 'function' ? listener.call(signal, event) : listener.handleEvent(event)
}
