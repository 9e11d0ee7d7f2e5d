import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect, type Client } from '../../lib/client/client'
import { findProgram } from './program'
import type { Test } from 'tap'

/** Returns the path of a Firefox: of the one that FIREFOX names, or of the first one on the PATH. */
export function findFirefox (): string | undefined {
  return process.env.FIREFOX || findProgram('firefox', 'firefox-esr')
}

/** A Firefox, driven with WebDriver BiDi. */
export class Firefox {
  readonly #client: Client
  #context = ''
  #count = 0

  private constructor (client: Client) {
    this.#client = client
  }

  /** Starts Firefox with a new profile. Firefox ends with `t`. */
  static async launch (t: Test, executable: string): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), 'firefox-'))
    const child = spawn(executable, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'], { env: { ...process.env, HOME: profile }, stdio: ['ignore', 'ignore', 'pipe'] })
    const ended = once(child, 'exit')
    t.teardown(async () => {
      child.kill()
      await ended
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    })
    for await (const line of createInterface(child.stderr)) {
      const address = /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1]
      if (address === undefined) continue
      const client = await connect(`${address}/session`, { valueType: 'json', receiveTimeout: 20_000 })
      t.teardown(() => client.terminate())
      const firefox = new Firefox(client)
      await firefox.#call('session.new', { capabilities: {} })
      firefox.#context = (await firefox.#call('browsingContext.getTree', {})).contexts[0].context
      return firefox
    }
    throw new Error(`${executable} has not started`)
  }

  /** Opens the page. */
  async goto (url: string): Promise<void> {
    await this.#call('browsingContext.navigate', { context: this.#context, url, wait: 'complete' })
  }

  /** Evaluates `expression`, a promise, in the page. Resolves with its value, which passes as JSON. */
  async evaluate (expression: string): Promise<any> {
    const { result, exceptionDetails } = await this.#call('script.evaluate', {
      expression: `(async () => JSON.stringify(await ${expression}))()`,
      target: { context: this.#context },
      awaitPromise: true
    })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text)
    return JSON.parse(result.value)
  }

  async #call (method: string, params: object): Promise<any> {
    const { type, result, message } = await this.#client.pair({ id: ++this.#count, method, params })
    if (type === 'error') throw new Error(`${method}: ${message}`)
    return result
  }
}
