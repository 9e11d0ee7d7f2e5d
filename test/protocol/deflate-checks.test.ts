import t from 'tap'
import { perMessageDeflate } from '../../lib/protocol/deflate-checks'

const OPTION_ERROR = { name: 'WebSocketOptionError', code: 'FST_WS_OPTION' }

t.test('permessage-deflate is true, false, or options whose values zlib takes', async (t) => {
  for (const value of [true, false, {}, { serverMaxWindowBits: 9, clientMaxWindowBits: true, zlibDeflateOptions: { level: 1 }, zlibInflateOptions: {} }]) {
    t.doesNotThrow(() => perMessageDeflate('it', value))
  }
  t.throws(() => perMessageDeflate('it', 'yes'), { ...OPTION_ERROR, message: /^option it is 'yes': use \{ serverNoContextTakeover, .* \}, true or false$/ })
  t.throws(() => perMessageDeflate('it', { serverMaxWindowBits: 7 }), { message: 'option it.serverMaxWindowBits is 7: use a whole number of bits from 8 to 15' })
  t.throws(() => perMessageDeflate('it', { clientMaxWindowBits: 16 }), { message: 'option it.clientMaxWindowBits is 16: use a whole number of bits from 8 to 15' })
  t.throws(() => perMessageDeflate('it', { zlibDeflateOptions: 5 }), { message: 'option it.zlibDeflateOptions is 5: use an object of options of node:zlib' })
  t.throws(() => perMessageDeflate('it', { zlibInflateOptions: { windowBits: 99 } }), { ...OPTION_ERROR, message: /^option it\.zlibInflateOptions: .*windowBits/, cause: RangeError })
})
