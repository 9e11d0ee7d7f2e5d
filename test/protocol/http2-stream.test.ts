import { constants } from 'node:http2'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { destroyLater, endWhenReset } from '../../lib/protocol/http2-stream'
import { FrameWriter } from '../../lib/protocol/frame-writer'
import { StreamLikeHttp2 } from '../helpers/stream-like-http2'

t.test('a stream is destroyed at once if nothing waits, else when what waits has left', async (t) => {
  const left: string[] = []
  const stream = new StreamLikeHttp2((chunk, callback) => {
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

  const idle = new StreamLikeHttp2(() => {})
  destroyLater(idle)
  t.equal(idle.destroyed, true)
})

t.test('a stream that takes nothing is destroyed after three turns', async (t) => {
  const stream = new StreamLikeHttp2(() => {})
  stream.write('under way')
  destroyLater(stream)
  for (let turn = 0; turn < 3; turn++) {
    t.equal(stream.destroyed, false)
    await setImmediate()
  }
  await setImmediate()
  t.equal(stream.destroyed, true)
})

t.test('a reset with NO_ERROR ends a stream; Node ends those that are reset with another code', async (t) => {
  for (const [code, ends] of [[constants.NGHTTP2_NO_ERROR, true], [constants.NGHTTP2_FRAME_SIZE_ERROR, false]] as const) {
    const stream = Object.assign(new StreamLikeHttp2(() => {}), { rstCode: code })
    endWhenReset(stream)
    stream.emit('aborted')
    t.equal(stream.destroyed, ends)
  }
})

t.test('a writer that is dropped passes on the frames that wait, at once', async (t) => {
  const left: number[] = []
  const stream = new StreamLikeHttp2((chunk, callback) => {
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
