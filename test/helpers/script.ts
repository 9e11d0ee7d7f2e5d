import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

const env = { PATH: process.env.PATH }

const root = join(__dirname, '..', '..')

/** Runs `node <script> …`, `script` a path from the root, to its end. It is ended with `t`, and the processes that it has started with it. */
export async function runScript (t: Test, script: string, ...args: string[]): Promise<{ code: number | null, output: string }> {
  // tap has whatever a test starts load what is tap's own, which takes memory, at any time, where that is measured.
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, join(root, script), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill())
  const [[code], ...output] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code, output: output.join('') }
}
