import { getEventListeners } from 'node:events'
import type { Test } from 'tap'

const EVENTS = ['online', 'pageshow', 'visibilitychange']

/** The globals of a page whose events the client listens to. They are there until the end of a test. */
export class FakePage {
  readonly window = new EventTarget()
  readonly document = Object.assign(new EventTarget(), { baseURI: 'http://127.0.0.1/', visibilityState: 'visible' })

  constructor (t: Test) {
    const { window, document } = this
    const globals = {
      addEventListener: window.addEventListener.bind(window),
      removeEventListener: window.removeEventListener.bind(window),
      document
    }
    Object.assign(globalThis, globals)
    t.teardown(() => { for (const name of Object.keys(globals)) delete (globalThis as any)[name] })
  }

  /** The network is there again. */
  goOnline (): void {
    this.window.dispatchEvent(new Event('online'))
  }

  /** The user has come back to the page by the history. */
  show (): void {
    this.window.dispatchEvent(new Event('pageshow'))
  }

  /** The page becomes visible or hidden. The event bubbles from the document to the window. */
  setVisibility (state: 'visible' | 'hidden'): void {
    this.document.visibilityState = state
    this.document.dispatchEvent(new Event('visibilitychange'))
    this.window.dispatchEvent(new Event('visibilitychange'))
  }

  /** The number of listeners that the client has added and not removed. */
  get listeners (): number {
    return EVENTS.flatMap((event) => [...getEventListeners(this.window, event), ...getEventListeners(this.document, event)]).length
  }
}
