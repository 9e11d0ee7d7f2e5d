import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect, type Client } from '../../lib/client/client'
import { until } from './until'
import type { Test } from 'tap'

/** In ms: how long a call may take. Several browsers that start at once take long. */
const PATIENCE = 60_000

/** A browser that listens for its debugger, by WebDriver BiDi or by the DevTools protocol. One call at a time. */
export class DebuggedBrowser {
  readonly #client: Client
  #count = 0

  private constructor (client: Client) {
    this.#client = client
  }

  /**
   * Starts a browser with a new profile. On stderr, it says its address after `says`; the debugger is at `path` of this address. The
   * browser ends with `t`.
   */
  static async launch (t: Test, executable: string, { args, says, path = '' }: { args: (profile: string) => string[], says: string, path?: string }): Promise<DebuggedBrowser> {
    const profile = mkdtempSync(join(tmpdir(), 'browser-'))
    const child = spawn(executable, args(profile), { env: { ...process.env, HOME: profile }, stdio: ['ignore', 'ignore', 'pipe'] })
    const ended = once(child, 'exit')
    t.teardown(async () => {
      child.kill()
      await ended
      await until(() => isRemoved(profile)) // other processes of the browser may still write to it
    })
    for await (const line of createInterface(child.stderr)) {
      if (!line.includes(says)) continue
      child.stderr.resume()
      const client = await connect(`${/ws:\S+/.exec(line)![0]}${path}`, { valueType: 'json', receiveTimeout: PATIENCE })
      t.teardown(() => client.terminate())
      return new DebuggedBrowser(client)
    }
    throw new Error(`${executable} has not started`)
  }

  /** Calls a method. Resolves with its result. Events that come meanwhile are dropped. */
  async call (method: string, params: object, sessionId?: string): Promise<any> {
    const id = ++this.#count
    await this.#client.send({ id, method, params, sessionId })
    for await (const message of this.#client) {
      if (message.id !== id) continue
      if (message.error !== undefined) throw new Error(`${method}: ${message.error.message ?? message.message}`)
      return message.result
    }
  }
}

/** Removes a folder. Returns whether the folder is gone. */
function isRemoved (folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true })
    return true
  } catch {
    return false
  }
}
