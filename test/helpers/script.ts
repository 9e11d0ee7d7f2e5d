import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

// tap hands coverage on unless it is told otherwise, which takes memory where that is measured.
const env = { PATH: process.env.PATH, _TAPJS_PROCESSINFO_COVERAGE_: '0' }

const root = join(__dirname, '..', '..')

/** Runs `node <script> …`, `script` a path from the root, to its end. It is ended with `t`, and the processes that it has started with it. */
export async function runScript (t: Test, script: string, ...args: string[]): Promise<{ code: number | null, output: string }> {
  const child = spawn(process.execPath, [join(root, script), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill())
  const [[code], ...output] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code, output: output.join('') }
}
