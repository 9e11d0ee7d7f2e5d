import { DebuggedBrowser } from './debugged-browser'
import { findProgram } from './program'
import { until } from './until'
import type { Test } from 'tap'
import type { Tab } from './tab'

/** Returns the path of a Firefox: of the one that FIREFOX names, or of the first one on the PATH. */
export function findFirefox (): string | undefined {
  return process.env.FIREFOX || findProgram('firefox', 'firefox-esr')
}

/** A tab of a Firefox, driven with WebDriver BiDi. */
export class Firefox implements Tab {
  readonly #browser: DebuggedBrowser
  readonly #context: string

  private constructor (browser: DebuggedBrowser, context: string) {
    this.#browser = browser
    this.#context = context
  }

  /** Starts Firefox with a new profile. Firefox ends with `t`. */
  static async launch (t: Test, executable: string): Promise<Firefox> {
    const browser = await DebuggedBrowser.launch(t, executable, {
      args: (profile) => ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'],
      says: 'WebDriver BiDi listening on',
      path: '/session'
    })
    await browser.call('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } })
    const { contexts } = await browser.call('browsingContext.getTree', {})
    return new Firefox(browser, contexts[0].context)
  }

  async goto (url: string): Promise<void> {
    await this.#browser.call('browsingContext.navigate', { context: this.#context, url, wait: 'complete' })
  }

  async goBack (): Promise<void> {
    const url = await this.evaluate('location.href')
    await this.#browser.call('browsingContext.traverseHistory', { context: this.#context, delta: -1 })
    const expression = `document.readyState === 'complete' && location.href !== ${JSON.stringify(url)}`
    await until(() => this.evaluate(expression).catch(() => false)) // the context of an evaluation may go with its page
  }

  async hide (): Promise<void> {
    await this.#browser.call('browsingContext.create', { type: 'tab' })
  }

  async show (): Promise<void> {
    await this.#browser.call('browsingContext.activate', { context: this.#context })
  }

  async setOffline (isOffline: boolean): Promise<void> {
    const networkConditions = isOffline ? { type: 'offline' } : null
    await this.#browser.call('emulation.setNetworkConditions', { networkConditions, contexts: [this.#context] })
  }

  async evaluate (expression: string): Promise<any> {
    const { result, exceptionDetails } = await this.#browser.call('script.evaluate', {
      expression: `(async () => JSON.stringify(await ${expression}))()`,
      target: { context: this.#context },
      awaitPromise: true
    })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text)
    return JSON.parse(result.value)
  }
}
