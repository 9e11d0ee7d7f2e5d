import t from 'tap'
import { runScript } from '../helpers/script'

t.test('while connections open, close and are killed, no message is lost, duplicated or reordered, and nothing of them is left', async (t) => {
  const { code, output } = await runScript(t, 'test/soak/run.js', '--seconds', '10')
  t.equal(code, 0, output)
})
