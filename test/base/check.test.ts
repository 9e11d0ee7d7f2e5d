import t from 'tap'
import { check } from '../../lib/base/check'

t.test('a check that fails throws a WebSocketOptionError, which shows the value and says what to use', async (t) => {
  t.doesNotThrow(() => check(true, 'mode is', 'text', 'text, bytes'))
  t.throws(() => check(false, 'mode is', 5, 'text, bytes'), { name: 'WebSocketOptionError', message: 'mode is 5: use text, bytes' })
})
