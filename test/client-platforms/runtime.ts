import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { CLIENT_MODULE } from '../helpers/client-module'
import { bundleSuites } from './bundle'
import { Host } from './host'
import type { Report } from './runner'

/** Milliseconds that a platform may take for all tests. */
export const LIMIT = 120_000

/** Runs the suites in a process of `command`, a JavaScript runtime with its arguments. The process has to end by itself. */
export async function runInRuntime (command: string[]): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'client-platforms-'))
  const host = await Host.start()
  try {
    const suites = join(folder, 'suites.mjs')
    writeFileSync(suites, await bundleSuites())
    const [executable, ...args] = command
    const child = spawn(executable, [...args, join(__dirname, 'program.mjs'), CLIENT_MODULE.href, pathToFileURL(suites).href, host.url], { stdio: ['ignore', 'inherit', 'pipe'], timeout: LIMIT })
    const errors = text(child.stderr)
    const ended = once(child, 'exit')
    const failed = ended.then(async ([code, signal]) => {
      if (code !== 0) throw new Error(`${command.join(' ')} has ended with ${code ?? signal}: ${await errors}`)
    })
    const report = await Promise.race([host.report, failed])
    await failed
    return report ?? await host.report
  } finally {
    await host.close()
    rmSync(folder, { recursive: true })
  }
}
