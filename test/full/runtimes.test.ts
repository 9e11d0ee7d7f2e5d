import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

// Other runtimes run the same program: `.ci/on-deno`.
t.test('the smoke test of all runtimes passes on Node, and its process ends', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(__dirname, '..', 'runtimes', 'smoke.mjs')], { env: {} })
  t.match(stdout, /^(ok - .*\n)+$/)
})
