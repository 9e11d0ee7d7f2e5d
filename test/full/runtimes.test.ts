import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

// `.ci/other-runtimes` runs the same program on Deno and Bun.
t.test('the smoke test of all runtimes passes on Node, and its process ends', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(__dirname, '..', 'runtimes', 'smoke.mjs')], { env: {} })
  t.match(stdout, /^(ok - .*\n)+$/)
})
