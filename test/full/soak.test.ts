import t from 'tap'
import { runScript } from '../helpers/script'

t.test('while connections come, go and are killed, nothing is lost, duplicated or reordered, and nothing is left of them', async (t) => {
  const { code, output } = await runScript(t, 'test/soak/run.js', '--seconds', '10')
  t.equal(code, 0, output)
})
