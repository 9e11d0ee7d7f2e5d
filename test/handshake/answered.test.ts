import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import t, { type Test } from 'tap'
import { abort, responseOn, whenAnswered } from '../../lib/handshake/answered'

type Pair = [request: IncomingMessage, response: ServerResponse]

/** A connection on which `count` requests have arrived. */
async function requests (t: Test, count: number): Promise<{ client: Socket, pairs: Pair[], socket: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const pairs: Pair[] = []
  const all = new Promise<void>((resolve) => server.on('request', (...pair) => { if (pairs.push(pair) === count) resolve() }))
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(count))
  await all
  return { client, pairs, socket: pairs[0][0].socket }
}

t.test('a connection without a request has no response to send', async (t) => {
  const stream = new PassThrough()
  t.equal(responseOn(stream), null)
  let isAnswered = false
  whenAnswered(stream, () => { isAnswered = true })
  t.ok(isAnswered, 'at once')
})

t.test('a connection with requests has a response to send until each request has been answered', async (t) => {
  const { pairs, socket } = await requests(t, 2)
  let isAnswered = false
  const answered = new Promise<void>((resolve) => whenAnswered(socket, () => {
    isAnswered = true
    resolve()
  }))
  for (const [, response] of pairs) {
    t.equal(responseOn(socket), response)
    t.notOk(isAnswered)
    response.end('x')
    await once(response, 'finish')
  }
  await answered
  t.equal(responseOn(socket), null)
})

t.test('whenAnswered calls back at most once if the connection ends', async (t) => {
  const { client, pairs: [[, response]], socket } = await requests(t, 1)
  let calls = 0
  whenAnswered(socket, () => { calls++ })
  client.destroy()
  await once(response, 'close')
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(calls <= 1)
})

t.test('abort emits the events of Node on a request, and emits an error only if there is a listener', async (t) => {
  for (const listens of [false, true]) {
    const { pairs: [[request]] } = await requests(t, 1)
    const events: unknown[] = []
    request.on('aborted', () => events.push('aborted'))
    if (listens) request.on('error', ({ code, message }: NodeJS.ErrnoException) => events.push(code, message))
    const closed = new Promise((resolve) => request.on('close', resolve))
    abort(request)
    await closed
    t.same(events, listens ? ['aborted', 'ECONNRESET', 'aborted'] : ['aborted'])
  }
})

t.test('abort does nothing to an object that is no request of Node', async () => {
  abort({ headers: {} } as IncomingMessage)
})
