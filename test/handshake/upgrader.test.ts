import t from 'tap'
import { acceptCompression } from '../../lib/handshake/upgrader'

const OFFER = 'permessage-deflate; client_max_window_bits'

t.test('compression is agreed on where the client offers it and the route has it', async (t) => {
  for (const perMessageDeflate of [true, {}, { serverMaxWindowBits: 10 }]) {
    const { extensions, compression } = acceptCompression(OFFER, perMessageDeflate, 1000)
    t.match(extensions, /^permessage-deflate; client_no_context_takeover/)
    t.not(compression, null)
  }
  t.match(acceptCompression(OFFER, { serverMaxWindowBits: 10 }, 1000).extensions, 'server_max_window_bits=10')
})

t.test('there is no compression without an offer, without the option, and where no offer is acceptable', async (t) => {
  for (const [header, perMessageDeflate] of [[undefined, true], [OFFER, false], ['x-other', true], ['permessage-deflate', { clientMaxWindowBits: 10 }]] as const) {
    t.strictSame(acceptCompression(header, perMessageDeflate, 1000), { compression: null })
  }
})

t.test('an offer that cannot be read is refused with status 400', async (t) => {
  for (const header of ['permessage-deflate; nonsense=1', 'permessage-deflate; server_max_window_bits=7', ';']) {
    t.throws(() => acceptCompression(header, true, 1000), { name: 'WebSocketHandshakeError', statusCode: 400, message: 'Invalid or unacceptable Sec-WebSocket-Extensions header' }, header)
  }
})
