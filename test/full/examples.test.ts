import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { connect, type Client } from '../../lib/client/client'
import { Example, examples } from '../helpers/example'
import { Visitor } from '../helpers/visitor'

/** Access to an example: within the process, or over a port. */
interface Place {
  open (path: string, options?: object): Promise<Client>
  get (path: string, headers?: Record<string, string>): Promise<{ status: number, body: string }>
}

interface Talk {
  /** The URLs that the example prints when it listens: protocol and path. */
  urls: string[]
  talk (t: Test, place: Place): Promise<void>
}

const LIMIT = 5_000

/** For each example: what it prints, and a test of what it does. */
const talks: Record<string, Talk> = {
  'metrics.js': {
    urls: ['ws:/rooms/lobby', 'http:/metrics'],
    async talk (t, { open, get }) {
      const clients = await Promise.all([open('/rooms/lobby'), open('/rooms/lobby')])
      await clients[0].send('hé')
      t.equal(await clients[1].receive(), 'hé')
      await refused(t, open('/rooms/secret'), 403, {})
      await refused(t, open('/unknown'), 404, {})
      const figures = async (): Promise<string[]> => (await get('/metrics')).body.split('\n').filter((line) => line.startsWith('websocket_') && !line.endsWith(' 0'))
      const counted = [
        'websocket_connections_accepted_total{route="/rooms/:room"} 2',
        'websocket_refusals_total{route="/rooms/:room",status="403"} 1',
        'websocket_refusals_total{route="",status="404"} 1',
        'websocket_messages_total{route="/rooms/:room",direction="received"} 1',
        'websocket_messages_total{route="/rooms/:room",direction="sent"} 1',
        'websocket_bytes_total{route="/rooms/:room",direction="received"} 3',
        'websocket_bytes_total{route="/rooms/:room",direction="sent"} 3',
        'websocket_publications_total{route="/rooms/:room"} 1'
      ]
      t.same((await figures()).sort(), ['websocket_connections_open{route="/rooms/:room"} 2', ...counted, 'websocket_broker_up 1'].sort())
      await Promise.all(clients.map((client) => client.close()))
      t.same((await figures()).sort(), ['websocket_closes_total{route="/rooms/:room",code="1000"} 2', ...counted, 'websocket_broker_up 1'].sort())
      const { body } = await get('/metrics')
      t.match(body, 'http_request_duration_seconds_count{route="/metrics",status="200"} 2')
      t.notMatch(body, /http_request_duration_seconds_count\{route="\/rooms/)
    }
  },

  'echo.js': {
    urls: ['ws:/echo'],
    async talk (t, { open }) {
      const client = await open('/echo')
      t.equal(await client.pair('one'), 'one')
      t.equal(await client.pair('two'), 'two')
      await client.close()
      t.equal((await client.closed).code, 1000)
    }
  },

  'accept.js': {
    urls: ['ws:/negotiated', 'ws:/chosen'],
    async talk (t, { open }) {
      const both = await open('/negotiated', { subprotocols: ['chat.v1', 'chat.v2'] })
      t.equal(both.protocol, 'chat.v2', 'the order is the one of the server')
      t.match(both.headers['x-session'], /^[\da-f-]{36}$/)
      t.strictSame(both.headers['set-cookie'], ['seen=yes; Path=/', 'theme=dark; Path=/'])
      t.equal(await both.receive(), 'We speak chat.v2.')

      const none = await open('/negotiated')
      t.equal(none.protocol, '')
      t.equal(await none.receive(), 'We speak no subprotocol.')

      const chosen = await open('/chosen', { subprotocols: ['chat.v1', 'telemetry.7'] })
      t.equal(chosen.protocol, 'telemetry.7')
      t.equal(await chosen.receive(), 'We speak telemetry.7.')
      await refused(t, open('/chosen', { subprotocols: ['chat.v1'] }), 400, { error: 'Offer a subprotocol telemetry.*' })
    }
  },

  'refuse.js': {
    urls: ['ws:/full', 'ws:/rooms/7', 'ws:/hours', 'ws:/named'],
    async talk (t, { open }) {
      const { responseHeaders } = await refused(t, open('/full'), 503, { error: 'The room is full' })
      t.equal(responseHeaders['retry-after'], '30')
      await refused(t, open('/rooms/7'), 404, { message: 'There is no room 7' })
      await refused(t, open('/hours'), 403, { error: 'Closed on Sundays' })
      await refused(t, open('/named'), 400, { code: 'FST_ERR_VALIDATION' })
      t.equal(await (await open('/named?name=ada')).receive(), 'Hello ada')
    }
  },

  'guard.js': {
    urls: ['ws:/inbox'],
    async talk (t, { open, get }) {
      const { responseHeaders } = await refused(t, open('/inbox'), 401, { error: 'Who are you?' })
      t.equal(responseHeaders['www-authenticate'], 'Bearer')
      await refused(t, open('/inbox', { headers: { authorization: 'Bearer wrong' } }), 401, {})

      const client = await open('/inbox', { headers: { authorization: 'Bearer s3cret' } })
      t.equal(await client.receive(), 'Welcome ada')
      t.equal(await client.pair('hello'), 'ada: hello')

      t.equal((await get('/me')).status, 401, 'an HTTP route has the same guard')
      t.same(JSON.parse((await get('/me', { authorization: 'Bearer pa55word' })).body), { user: 'grace' })
    }
  },

  'live-support.js': {
    urls: ['http:/car/ws-index', 'ws:/car/live-support'],
    async talk (t, { open, get }) {
      const page = await get('/car/ws-index')
      t.equal(page.status, 200)
      t.equal(page.body, readFileSync(join(examples, 'live-support.html'), 'utf8'))

      const john = await open('/car/live-support')
      t.equal(await john.receive(), 'Welcome John to our live support room!\nHow can we help you?')
      t.equal(await john.pair('It rattles'), 'We have received your complaint:\n\n"It rattles"\n\nWe shall get back to you.')

      const ada = await open('/car/live-support?name=Ada')
      t.match(await ada.receive(), /^Welcome Ada /)
      t.match(JSON.parse(await ada.pair('')), { code: 1008, validation: [{ keyword: 'minLength' }] })
      t.equal((await ada.closed).code, 1008)
    }
  },

  'described/server.js': {
    urls: ['http:/asyncapi'],
    async talk (t, { open, get }) {
      t.match((await get('/asyncapi')).body, '<title>Support desk</title>')
      const { channels } = JSON.parse((await get('/asyncapi/json')).body)
      t.same(Object.keys(channels), ['roomsRoom', 'queue'])

      const ada = await open('/rooms/lobby?name=Ada', { valueType: 'json', subprotocols: ['support.v1'] })
      t.same(await ada.pair({ text: 'It rattles' }), { from: { name: 'Ada', isStaff: false }, text: 'It rattles' })
      await refused(t, open('/queue'), 401, { message: 'Who are you?' })
      const queue = await open('/queue?token=s3cret', { valueType: 'integer' })
      t.equal(await queue.receive(), 1)
      await queue.close()
    }
  },

  'ping-pong.js': {
    urls: ['ws:/ping-pong'],
    async talk (t, { open }) {
      const client = await open('/ping-pong', { valueType: 'json' })
      t.same(await client.pair({ type: 'ping' }), { type: 'pong' })
      t.same(await client.pair({ type: 'pong' }), { type: 'ping' })
    }
  },

  'protocol.js': {
    urls: ['ws:/protocol'],
    async talk (t, { open }) {
      const client = await open('/protocol')
      t.equal(await client.pair('MYPROTOCOL V1.1'), 'ACK')
      await client.expect('NAME?')
      t.equal(await client.pair('Ada'), 'AGE?')
      t.equal(await client.pair('36'), 'Ada will be 37')
      t.equal(await client.pair('so long'), 'BYE')
      t.equal((await client.closed).code, 1000)

      const stranger = await open('/protocol')
      await stranger.send('HTTP/1.1')
      t.equal((await stranger.closed).code, 1008)

      const vague = await open('/protocol')
      await vague.pair('MYPROTOCOL V1.1')
      await vague.pair('Grace', { receiveFirst: true })
      t.equal(await vague.pair('about forty'), 'AGE?')
      t.equal((await vague.closed).code, 1003)
    }
  },

  'signal.js': {
    urls: ['ws:/work', 'http:/running'],
    async talk (t, { open, get }) {
      const running = async (): Promise<number> => JSON.parse((await get('/running')).body).running
      const client = await open('/work')
      t.equal(await client.pair('1'), 'Worked for 1 ms')

      await client.send('3600000')
      await until(async () => await running() === 1)
      client.terminate()
      await until(async () => await running() === 0)
      t.pass('the work has ended with the connection')
    }
  },

  'testing.js': {
    urls: [],
    async talk (t, { open }) {
      const client = await open('/sum', { valueType: 'number' })
      t.equal(await client.pair(1), 1)
      t.equal(await client.pair(41), 42)
    }
  },

  'chat/server.js': {
    urls: ['http:/'],
    async talk (t, { open, get }) {
      for (const path of ['/', '/room/lobby?name=ada', '/client.js', ...readdirSync(join(examples, 'chat/public'))]) {
        t.equal((await get(join('/', path))).status, 200, path)
      }
      const ada = new Visitor(await open('/chat/lobby?name=ada', { valueType: 'json' }))
      t.same(await ada.next('welcome'), { type: 'welcome', people: ['ada'] })
      t.match(await ada.pair({ type: 'message', text: 'hello' }), { name: 'ada', text: 'hello' })
    }
  }
}

/** Files that are no app, and where they are tested. */
const others = [
  'README.md', // below
  'memory-broker.js', // in brokers.test.ts
  'bridge.js', // in protocols.test.ts
  'calls.js', // in protocols.test.ts
  'start.js', // with every process
  'connect.mjs', // below
  'described/routes.js', // with described/server.js, and in asyncapi-page.test.ts
  'live-support.html', // with live-support.js
  ...['chat-route.js', 'engine.js', 'history.js', 'messages.js', 'processes.js', 'rooms.js'].map((file) => `chat/${file}`), // with chat/server.js, and in chat-redis.test.ts and chat-nats.test.ts
  'chat/tsconfig.json', // in chat-types.test.ts
  ...readdirSync(join(examples, 'chat/public')).map((file) => `chat/public/${file}`) // with chat/server.js, and in chat.test.ts
]

async function refused (t: Test, attempt: Promise<Client>, status: number, body: object): Promise<any> {
  const error: any = await attempt.then(() => null, (error) => error)
  t.match(error, { name: 'WebSocketUpgradeError', statusCode: status })
  t.match(JSON.parse(error.body), body)
  return error
}

async function until (condition: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(LIMIT)
  while (!await condition()) {
    limit.throwIfAborted()
    await setImmediate() // an injected connection needs turns of this event loop
  }
}

function files (): string[] {
  return readdirSync(examples, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(examples.length + 1))
}

function run (t: Test, file: string, args?: string[]): Example {
  const example = new Example(file, args)
  t.teardown(() => example.kill())
  return example
}

function remote (base: string): Place {
  return {
    open: async (path, options) => await connect(base + path, { receiveTimeout: LIMIT, ...options }),
    async get (path, headers) {
      const response = await fetch(base + path, { headers: { connection: 'close', ...headers } })
      return { status: response.status, body: await response.text() }
    }
  }
}

t.test('every file of the examples has a test', async (t) => {
  t.strictSame(files().sort(), [...Object.keys(talks), ...others].sort())
})

t.test('the README lists every example', async (t) => {
  const readme = readFileSync(join(examples, 'README.md'), 'utf8')
  for (const file of [...Object.keys(talks), 'connect.mjs']) t.ok(readme.includes(`](${file})`), file)
})

for (const [file, { talk }] of Object.entries(talks)) {
  t.test(`${file} does what it says, without a port`, async (t) => {
    const app = await require(join(examples, file)).build()
    t.teardown(() => app.close())
    await talk(t, {
      open: (path, options) => app.injectWebSocket(path, options),
      async get (url, headers) {
        const { statusCode, body } = await app.inject({ url, headers })
        return { status: statusCode, body }
      }
    })
  })
}

for (const [file, { urls, talk }] of Object.entries(talks)) {
  if (urls.length === 0) continue

  t.test(`node example/${file} listens, does what it says, and ends on SIGTERM`, async (t) => {
    const example = run(t, file)
    const printed = await example.ready()
    const { host } = new URL(printed[0])
    t.match(host, /^127\.0\.0\.1:\d+$/)
    t.strictSame(printed, urls.map((url) => url.replace(':', `://${host}`)))

    await talk(t, remote(`http://${host}`))
    example.kill('SIGTERM')

    t.equal(await example.ended, 0)
    t.equal(await example.stderr, '')
  })
}

t.test('node example/testing.js runs its tests', async (t) => {
  const example = run(t, 'testing.js')

  t.match(await example.rest(), /pass 3\n.*fail 0\n/)
  t.equal(await example.ended, 0)
})

t.test('an example that is interrupted closes its connections', async (t) => {
  const example = run(t, 'echo.js')
  const [url] = await example.ready()
  const client = await connect(url)

  example.kill('SIGINT')

  t.strictSame(await client.closed, { code: 1001, reason: '', wasClean: true })
  t.equal(await example.ended, 0)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`on ${signal} the chat closes its sessions with 1001, and ends all other connections`, async (t) => {
    const example = run(t, 'chat/server.js')
    const [url] = await example.ready()
    const { hostname, port } = new URL(url)
    const people = await Promise.all(['ada', 'grace'].map((name) => connect(`${url}chat/lobby?name=${name}`)))
    await Promise.all(people.map((client) => client.receive({ timeout: LIMIT })))
    const half = connectTcp(Number(port), hostname, () => { half.write('GET /chat/lobby HTTP/1.1\r\n') })
    t.teardown(() => half.destroy())
    const idle = await fetch(url) // keeps its connection open
    t.equal(idle.status, 200)
    await idle.text()

    example.kill(signal)

    for (const client of people) t.match(await client.closed, { code: 1001, wasClean: true })
    t.equal(await example.ended, 0)
    t.equal(await example.stderr, '')
  })
}

t.test('the client example/connect.mjs', async (t) => {
  async function listen (t: Test, file: string): Promise<string> {
    const app = await require(join(examples, file)).build()
    t.teardown(() => app.close())
    return await app.listen({ host: '127.0.0.1', port: 0 })
  }

  t.test('the client sends each line of input and prints each message', async (t) => {
    const client = run(t, 'connect.mjs', [`${await listen(t, 'echo.js')}/echo`])

    client.child.stdin!.write('hello\n')
    t.equal(await client.line(), 'hello')
    client.child.stdin!.end()

    t.equal(await client.ended, 0)
    t.match(await client.stderr, /^Closed: 1000/)
  })

  t.test('the client ends when the server closes', async (t) => {
    const client = run(t, 'connect.mjs', ['--subprotocol', 'chat.v1', `${await listen(t, 'accept.js')}/negotiated`])

    t.equal(await client.line(), 'We speak chat.v1.')
    t.equal(await client.ended, 0)
  })

  t.test('the client sends headers', async (t) => {
    const client = run(t, 'connect.mjs', ['--header', 'authorization: Bearer s3cret', `${await listen(t, 'guard.js')}/inbox`])

    t.equal(await client.line(), 'Welcome ada')
  })

  t.test('the client prints a refusal', async (t) => {
    const client = run(t, 'connect.mjs', [`${await listen(t, 'refuse.js')}/full`])

    t.equal(await client.ended, 1)
    t.match(await client.stderr, /503.*\{"error":"The room is full"\}/)
  })
})
