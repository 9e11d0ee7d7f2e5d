import t from 'tap'
import { runScript } from '../helpers/script'

t.test('while connections open, close and are killed, no message is lost, duplicated or reordered, nothing of them is left, and the accounts add up', async (t) => {
  const { code, output } = await runScript(t, 'test/soak/run.js', '--seconds', '10')
  t.equal(code, 0, output)
  const accounts = output.split('\n').filter((line) => line.startsWith('  '))
  t.comment(accounts.join('\n'))
  t.match(accounts.at(-1), /; 0 of \d{2,} differ$/)
  for (const form of ['flood', 'slow-skip', 'slow-close', 'denies', 'hook-close', 'undecided', 'topic', 'raw']) {
    t.ok(accounts.some((line) => line.startsWith(`  ${form} `)), form)
  }
})
