import { ARGS } from './chromium'
import { DebuggedBrowser } from './debugged-browser'
import { until } from './until'
import type { Test } from 'tap'
import type { Tab } from './tab'

/**
 * A tab of a Chromium, driven with the DevTools protocol. Unlike a page of Playwright, it is hidden behind another tab, and its pages
 * come into the back/forward cache.
 */
export class ChromiumTab implements Tab {
  readonly #browser: DebuggedBrowser
  readonly #targetId: string
  readonly #sessionId: string

  private constructor (browser: DebuggedBrowser, targetId: string, sessionId: string) {
    this.#browser = browser
    this.#targetId = targetId
    this.#sessionId = sessionId
  }

  /** Starts Chromium with a new profile. Chromium ends with `t`. */
  static async launch (t: Test, executable: string): Promise<ChromiumTab> {
    const browser = await DebuggedBrowser.launch(t, executable, {
      args: (profile) => ['--headless', ...ARGS, '--ignore-certificate-errors', '--remote-debugging-port=0', `--user-data-dir=${profile}`],
      says: 'DevTools listening on'
    })
    const { targetInfos } = await browser.call('Target.getTargets', {})
    const { targetId } = targetInfos.find(({ type }: { type: string }) => type === 'page')
    const { sessionId } = await browser.call('Target.attachToTarget', { targetId, flatten: true })
    return new ChromiumTab(browser, targetId, sessionId)
  }

  async goto (url: string): Promise<void> {
    await this.#call('Page.navigate', { url })
    await this.evaluate("document.readyState === 'complete' || new Promise((resolve) => addEventListener('load', () => resolve(true)))")
  }

  async goBack (): Promise<void> {
    const { currentIndex, entries } = await this.#call('Page.getNavigationHistory')
    const { id, url } = entries[currentIndex - 1]
    await this.#call('Page.navigateToHistoryEntry', { entryId: id })
    const expression = `document.readyState === 'complete' && location.href === ${JSON.stringify(url)}`
    await until(() => this.evaluate(expression).catch(() => false)) // the context of an evaluation may go with its page
  }

  async hide (): Promise<void> {
    await this.#browser.call('Target.createTarget', { url: 'about:blank' })
  }

  async show (): Promise<void> {
    await this.#browser.call('Target.activateTarget', { targetId: this.#targetId })
  }

  async setOffline (isOffline: boolean): Promise<void> {
    await this.#call('Network.enable')
    await this.#call('Network.emulateNetworkConditions', { offline: isOffline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 })
    if (!isOffline) await this.#call('Network.disable') // otherwise each message is an event
  }

  async evaluate (expression: string): Promise<any> {
    const { result, exceptionDetails } = await this.#call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }

  /** The memory of the page, and its listeners, after garbage collections. */
  async usage (): Promise<{ bytes: number, listeners: number }> {
    for (let n = 0; n < 3; n++) await this.#call('HeapProfiler.collectGarbage')
    const { usedSize, backingStorageSize = 0 } = await this.#call('Runtime.getHeapUsage')
    const { jsEventListeners } = await this.#call('Memory.getDOMCounters')
    return { bytes: usedSize + backingStorageSize, listeners: jsEventListeners }
  }

  async #call (method: string, params: object = {}): Promise<any> {
    return await this.#browser.call(method, params, this.#sessionId)
  }
}
