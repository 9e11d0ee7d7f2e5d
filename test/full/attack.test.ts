import t from 'tap'
import { runScript } from '../helpers/script'

// With the benchmark, which fails where memory grows beyond the marks of the connections.

t.test('clients that send what the handler does not receive take no more memory than their marks', async (t) => {
  const { code, output } = await runScript(t, 'bench/attack/run.js', '--quick', '--peers', 'ours', '--only', 'not received')
  t.equal(code, 0, output)
  t.match(output, /messages of 64 B.*\n.*messages of 1 MiB.*\n.*among pongs/)
})

t.test('subscribers that do not read take no more memory than their marks', async (t) => {
  const { code, output } = await runScript(t, 'bench/attack/run.js', '--quick', '--peers', 'ours', '--only', 'subscribers')
  t.equal(code, 0, output)
  t.match(output, /'close'.*\n.*'skip'/)
})
