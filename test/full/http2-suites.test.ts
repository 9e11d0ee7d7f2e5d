import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

/*
 * The suites that connect to an app run over HTTP/2, in the clear and with TLS (`helpers/transport.ts`). Prints how many tests of each
 * suite passed, by transport. A test that is about HTTP/1.1 has to be in the list `HTTP1`, and has to fail over HTTP/2.
 */

const SUITES = [
  ...['user-errors', 'wire', 'async-context'].map((name) => `full/${name}`), // the longest first
  ...['answered', 'connection-limit', 'decision', 'handshake', 'origins', 'refusal', 'response'].map((name) => `handshake/${name}`),
  ...['congestion', 'heartbeat', 'idle-timeout', 'life-signs', 'rate-limit', 'valid-messages'].map((name) => `connection/${name}`),
  ...['history', 'handlers', 'lifecycle', 'session', 'subscriber'].map((name) => `session/${name}`),
  ...['app-state', 'declared-routes', 'define-route', 'history', 'lookup', 'plugin', 'registration', 'route', 'shutdown', 'upgrade', 'websockets'].map((name) => `plugin/${name}`),
  ...['app-observer', 'channels', 'message-spans', 'metrics', 'otel', 'raw-observer', 'route-observer'].map((name) => `observe/${name}`),
  ...['authentication', 'cookies', 'headers', 'limits', 'routing', 'scopes', 'together', 'traces'].map((name) => `plugins/${name}`),
  'client/inject', 'protocol/multicast', 'asyncapi/plugin', 'hooks'
]

const LIKE = 'a route with raw: true, like one of @fastify/websocket'

/** The tests that are about HTTP/1.1, by suite and by what they are about. */
const HTTP1: Record<string, Record<string, string[]>> = {
  'handshake/connection-limit': { 'a key, and the header Upgrade': ['invalid upgrade requests do not count'] },
  'handshake/handshake': {
    'a key, a version of HTTP, the headers Upgrade and Connection': ['an invalid upgrade request is answered before the handler runs', 'the names in the handshake are not case-sensitive']
  },
  'handshake/origins': { 'a server of HTTP/1.1 with TLS; over HTTP/2, the other tests run with TLS': ['a page without TLS is not of the same origin as a request to a server with TLS'] },
  'handshake/refusal': { 'a key, and the header Upgrade': ['an invalid upgrade request gets an HTTP response'] },
  'client/inject': {
    'the header Host': ['headers are sent'],
    'the bytes that a stream within the process holds': ['a handler that sends to a client that does not receive is held up', 'a write that waits fails when its end is dropped', 'the server counts the bytes that it reads from an injected client, as from any other'],
    'the option http2': ['an app whose server speaks HTTP/2 only rejects an injection, and the error says how to allow HTTP/1.1', 'http2: true needs a server that speaks HTTP/2']
  },
  'plugin/plugin': { 'the bytes of the 101': ['a client that reads the bytes of a connection gets the messages of the handler, and nothing more'] },
  'plugin/registration': { 'a server of node:http': ['two apps, one after the other, serve on one server, and nothing of the plugin is left on it'] },
  'plugin/route': {
    'connections that are kept open for another request': ['the connection of a plain GET is kept open after 426, unless the client asks to close it', 'upgrade requests after app.close() get 503, even if Fastify goes on answering'],
    'a comparison with @fastify/websocket': [
      `${LIKE}, echoes, with the app as this and the request`,
      `${LIKE}, keeps messages of the packet of the upgrade request, if the handler listens at once`,
      `${LIKE}, takes the first subprotocol that is offered`,
      `${LIKE}, drops the connection and logs when the handler throws`,
      `${LIKE}, drops the connection and logs when the handler rejects`,
      `${LIKE}, drops the connection and logs when the client breaks the protocol`,
      `${LIKE}, does not close when the handler returns`,
      `${LIKE}, refuses with a hook`,
      `${LIKE}, does not run the handler of a client that has left`
    ]
  },
  'plugin/shutdown': { 'handleUpgrade of ws': ['app.websocketServer closes as with @fastify/websocket: clients without a route of the app are closed, and not awaited'] },
  'plugin/upgrade': {
    'a method of an upgrade request': ['a WebSocket request of another method is 404, also with a body'],
    'a key, and the headers Upgrade and Connection': [
      'a request for another protocol is answered as a plain one',
      'an invalid upgrade request is refused before the hooks and the handler of the route run',
      'Upgrade without Connection: upgrade is a plain request'
    ],
    'requests that follow each other on a connection': ['an upgrade request behind a plain request on the same connection is answered'],
    'half an upgrade request': ['half an upgrade request ends with 408 after the headersTimeout of Node'],
    "another listener to 'upgrade'": ['with another listener, each handshake is served once: a handshake of a route by the plugin, others by the listener']
  },
  'plugins/routing': { 'a proxy whose front takes upgrade requests': ['@fastify/http-proxy in front: its hooks may refuse; after the hooks the client is connected, whatever the app answers'] },
  'session/session': { 'a request target in absolute form': ['url is a URL for a request target in absolute form'] },
  hooks: { 'the timeout of the socket of a request': ['onTimeout hooks run when connectionTimeout passes before the answer, and the handshake goes on'] }
}

const root = join(__dirname, '..')
const preload = join(root, 'helpers', 'transport.ts')

/** In seconds. A file of tests that runs by itself has a limit of 30 seconds otherwise. */
const SUITE_TIMEOUT = 180

/** Without what tap tells its own children. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TAP')))

interface Run {
  /** The names of the tests, and whether each has passed. */
  tests: Map<string, boolean>
  output: string
}

async function run (suite: string, transport: string): Promise<Run> {
  const child = spawn('env', [
    '-u', 'NODE_OPTIONS', // with which tap would load its own modules into the child
    process.execPath, join(root, '..', 'node_modules', '.bin', 'ts-node-transpile-only'), '-r', preload, join(root, `${suite}.test.ts`)
  ], { env: { ...environment, TRANSPORT: transport, TAP_TIMEOUT: `${SUITE_TIMEOUT}` }, stdio: ['ignore', 'pipe', 'ignore'] })
  const timer = setTimeout(() => child.kill(), (SUITE_TIMEOUT + 10) * 1_000)
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  clearTimeout(timer)
  const tests = new Map<string, boolean>()
  for (const [, not, name] of output.matchAll(/^(not )?ok \d+ - (.*?)(?: # .*)?$/gm)) tests.set(name, (tests.get(name) ?? true) && not === undefined)
  if (/^Bail out!/m.test(output) || !/^1\.\.\d+$/m.test(output)) tests.set('the end of the suite', false)
  return { tests, output }
}

/** The lines of a suite's output that are about the tests that failed, and the first lines of what tap says of each. */
function failuresIn (output: string): string {
  return [...output.matchAll(/^ *not ok (?:.*\n){1,25}/gm)].map(([lines]) => lines).join('')
}

t.jobs = 2
t.setTimeout(900_000)

for (const transport of ['http2', 'http2-tls']) {
  for (const suite of SUITES) {
    t.test(`${suite} over ${transport}`, { timeout: (SUITE_TIMEOUT + 20) * 1_000, buffered: true }, async (t) => {
      const { tests, output } = await run(suite, transport)
      const listed = Object.values(HTTP1[suite] ?? {}).flat()
      const failed = [...tests].filter(([name, passed]) => !passed && !listed.includes(name)).map(([name]) => name)
      const passed = [...tests].filter(([, passed]) => passed)
      t.comment(`${suite}, ${transport}: ${passed.length} passed, ${listed.length} are about HTTP/1.1, ${failed.length} failed`)
      t.same(failed, [], { failures: failed.length > 0 ? failuresIn(output) : undefined })
      t.same(listed.filter((name) => tests.get(name) !== false), [], 'each test in the list is one, and fails')
      t.ok(passed.length > 0)
    })
  }
}
