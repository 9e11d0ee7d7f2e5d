import t from 'tap'
import { acceptKey } from '../../lib/protocol/accept-key'

t.test('acceptKey answers the key of RFC 6455, section 1.3, as the RFC does', async (t) => {
  t.equal(acceptKey('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})
