import t from 'tap'
import { runScript } from '../helpers/script'

// The benchmark `npm run attack` fails if memory grows beyond the high-water marks of the connections.

t.test('clients whose messages the handler does not receive take no more memory than their high-water marks', async (t) => {
  const { code, output } = await runScript(t, 'bench/attack/run.js', '--quick', '--peers', 'ours', '--only', 'not received')
  t.equal(code, 0, output)
  t.match(output, /messages of 64 B.*\n.*messages of 1 MiB.*\n.*among pongs/)
})

t.test('subscribers that do not read take no more memory than their high-water marks', async (t) => {
  const { code, output } = await runScript(t, 'bench/attack/run.js', '--quick', '--peers', 'ours', '--only', 'subscribers')
  t.equal(code, 0, output)
  t.match(output, /'close'.*\n.*'skip'/)
})
