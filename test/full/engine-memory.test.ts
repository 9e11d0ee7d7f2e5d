import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Duplex } from 'node:stream'
import { FrameWriter } from '../../lib/protocol/frame-writer'

/** A stream that takes nothing after its first chunk, and keeps what is written. */
function stuckStream (): { stream: Duplex, chunks: () => Buffer[] } {
  const chunks: Buffer[] = []
  const stream = new Duplex({ read () {}, write (chunk, _encoding, _callback) { chunks.push(chunk) } })
  return { stream, chunks: () => [...chunks, ...(stream as any)._writableState.getBuffer().map(({ chunk }: { chunk: Buffer }) => chunk)] }
}

t.test('small frames for a client that does not read keep no more memory than they need', async (t) => {
  const { stream, chunks } = stuckStream()
  t.teardown(() => stream.destroy())
  const writer = new FrameWriter(stream, false)
  for (let turn = 0; turn < 100; turn++) {
    writer.add('x'.repeat(64))
    await setImmediate()
  }
  const memories = new Set(chunks().slice(1).map(({ buffer }) => buffer))
  const held = Array.from(memories, ({ byteLength }) => byteLength).reduce((sum, length) => sum + length, 0)
  t.equal(chunks().length, 100)
  t.ok(held < 64 * 1024, `${held} bytes for ${Buffer.concat(chunks()).length}`)
})
