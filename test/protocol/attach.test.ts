import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { attach } from '../../lib/protocol/attach'
import { connectTcpPair } from '../helpers/tcp'
import { until } from '../helpers/until'
import type { Endpoint } from '../../lib/protocol/endpoint'

/** What an endpoint is told about `stream`, in order. */
function attached (stream: Duplex): string[] {
  const told: string[] = []
  const endpoint = {
    stream,
    place: undefined,
    read: (chunk: Buffer) => { told.push(`read ${chunk}`) },
    readEnd: () => { told.push('end') },
    streamClosed: (rest: Buffer | null) => { told.push(`closed ${rest}`) }
  }
  attach(endpoint as unknown as Endpoint)
  return told
}

/** Resolves when `stream` closes, after an error as well. */
async function closed (stream: Duplex): Promise<void> {
  await new Promise<void>((resolve) => { stream.once('close', resolve) })
}

/** Both ends of a TCP connection. */
async function connect (t: Test): ReturnType<typeof connectTcpPair> {
  const pair = await connectTcpPair(t)
  pair.client.on('error', () => {})
  return pair
}

t.test('an endpoint is told what its stream reads, its end, and its close', async (t) => {
  const { client, stream } = await connect(t)
  const told = attached(stream)
  client.write('one')
  await until(() => told.length === 1)
  client.end('two')
  await closed(stream)
  t.same(told, ['read one', 'read two', 'end', 'closed null'])
})

t.test('a network socket has no timeout of its own any more, and no delay', async (t) => {
  const { stream } = await connect(t)
  let isWithoutDelay: boolean | undefined
  stream.setTimeout(60_000)
  stream.setNoDelay = (noDelay = true) => {
    isWithoutDelay = noDelay
    return stream
  }
  attached(stream)
  t.equal(stream.timeout, 0)
  t.equal(isWithoutDelay, true)
})

t.test('an error destroys the stream, and the endpoint is told of the close alone', async (t) => {
  const stream = new Duplex({ read () {}, write (_chunk, _encoding, callback) { callback(new Error('broken')) }, autoDestroy: false })
  const told = attached(stream)
  stream.write('a')
  await closed(stream)
  t.equal(stream.destroyed, true)
  t.same(told, ['closed null'])
})

t.test('an endpoint is told of a reset as of a close', async (t) => {
  const { client, stream } = await connect(t)
  const told = attached(stream)
  client.resetAndDestroy()
  await closed(stream)
  t.same(told, ['closed null'])
})

t.test('what a paused stream has read when it closes is given once, also after an error', async (t) => {
  for (const error of [undefined, new Error('broken')]) {
    for (const stream of [(await connect(t)).stream, new Duplex({ read () {}, write () {} })]) {
      const told = attached(stream)
      stream.pause()
      stream.push('rest')
      stream.push(' of it')
      stream.destroy(error)
      await closed(stream)
      t.same(told, ['closed rest of it'])
    }
  }
})

t.test('the streams share their listeners', async (t) => {
  const streams = [(await connect(t)).stream, (await connect(t)).stream]
  const [first, second] = streams.map((stream) => {
    const before = ['data', 'end', 'error', 'close'].map((event) => [...stream.listeners(event)])
    attached(stream)
    return ['data', 'end', 'error', 'close'].flatMap((event, i) => stream.listeners(event).filter((listener) => !before[i].includes(listener)))
  })
  t.equal(first.length, 4)
  t.ok(first.every((listener, i) => listener === second[i]))
})
