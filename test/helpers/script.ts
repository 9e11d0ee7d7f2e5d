import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

const env = { PATH: process.env.PATH }

const root = join(__dirname, '..', '..')

/** Runs `node <script> …` to its end; `script` is a path from the root. The script and the processes that it has started end with `t`. */
export async function runScript (t: Test, script: string, ...args: string[]): Promise<{ code: number | null, output: string }> {
  // Without NODE_OPTIONS, because tap makes each process load tap's own modules, which take memory that the script measures.
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, join(root, script), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill())
  const [[code], ...output] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { code, output: output.join('') }
}
