import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { destroyLater } from '../../lib/protocol/destroy-later'
import { FrameWriter } from '../../lib/protocol/frame-writer'

type Leave = (chunk: Buffer, left: () => void) => void

/** A stream like one of HTTP/2. `leave` is called with each chunk, or with the chunks that are written at once. */
class Stream extends Duplex {
  readonly rstCode = 0

  constructor (readonly leave: Leave) {
    super()
  }

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: string, left: () => void): void {
    this.leave(chunk, left)
  }

  override _writev (chunks: { chunk: Buffer }[], left: () => void): void {
    this.leave(Buffer.concat(chunks.map(({ chunk }) => chunk)), left)
  }
}

t.test('a stream is destroyed at once if nothing waits, else when what waits has left', async (t) => {
  const left: string[] = []
  const stream = new Stream((chunk, callback) => {
    left.push(chunk.toString())
    setImmediate().then(() => callback())
  })
  stream.write('under way')
  stream.write(', waits')
  stream.write(', too')
  const destroyed = destroyLater(stream)
  t.equal(stream.destroyed, false)
  await destroyed
  t.same(left, ['under way', ', waits, too'])
  t.equal(stream.destroyed, true)

  const idle = new Stream(() => {})
  destroyLater(idle)
  t.equal(idle.destroyed, true)
})

t.test('a stream that takes nothing is destroyed after three turns', async (t) => {
  const stream = new Stream(() => {})
  stream.write('under way')
  destroyLater(stream)
  for (let turn = 0; turn < 3; turn++) {
    t.equal(stream.destroyed, false)
    await setImmediate()
  }
  await setImmediate()
  t.equal(stream.destroyed, true)
})

t.test('a writer that is dropped passes on the frames that wait, at once', async (t) => {
  const left: number[] = []
  const stream = new Stream((chunk, callback) => {
    left.push(chunk.length)
    setImmediate().then(() => callback())
  })
  const writer = new FrameWriter(stream, false)
  writer.add(Buffer.alloc(100 * 1024))
  writer.flush()
  writer.add('last')
  writer.finish()
  writer.drop()
  await new Promise((resolve) => stream.once('close', resolve))
  t.same(left, [64 * 1024, 36 * 1024 + 10 + 6])
})
