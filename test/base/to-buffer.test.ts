import t from 'tap'
import { toBuffer } from '../../lib/base/to-buffer'

t.test('toBuffer returns a Buffer on the same memory, of the same bytes', async (t) => {
  const bytes = new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4)
  const buffer = toBuffer(bytes)
  t.ok(Buffer.isBuffer(buffer))
  t.strictSame([...buffer], [2, 3, 4])
  bytes[0] = 9
  t.equal(buffer[0], 9)
})
