import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

/*
 * The suites of handshakes, routes, sessions, topics, shutdown and plugins run over HTTP/2, in the clear and with TLS
 * (`helpers/transport.ts`). Prints how many tests of each suite passed, by transport. A test that needs the bytes of HTTP/1.1, or that is
 * about HTTP/1.1, does not count: `HTTP1` says why.
 */

const root = join(__dirname, '..')
const preload = join(root, 'helpers', 'transport.ts')

const SUITES = [
  ...['connection-limit', 'decision', 'origins', 'refusal', 'response'].map((name) => `handshake/${name}`),
  ...['define-route', 'lookup', 'plugin', 'route', 'shutdown', 'upgrade', 'websockets'].map((name) => `plugin/${name}`),
  ...['history', 'lifecycle', 'session', 'subscriber'].map((name) => `session/${name}`),
  ...['authentication', 'cookies', 'headers', 'limits', 'scopes'].map((name) => `plugins/${name}`)
]

/** The tests that are about HTTP/1.1, by a part of their names, and why. */
const HTTP1: [name: RegExp, why: string][] = [
  [/onSend hook|an invalid header of a hook is a 500|error handler answers the error of an onSend|accept rejects if a hook has set an invalid header|a status that they set later/, 'their hooks know an accept by its status 101'],
  [/deny takes every payload|another origin is 403 before|over maxConnections is 503|unknown route is 404, from the not-found|in its own context|kept open after 426/, 'they look for Connection, which HTTP/2 does not have'],
  [/deny rejects for a status that cannot refuse/, 'its last status is 200, which would accept'],
  [/invalid handshake|plain requests and refused handshakes do not count/, 'they have an invalid key or Upgrade'],
  [/with 101 and all of its time|all hooks of the app and the route run/, 'they look for the status 101, or for the order of an end'],
  [/like one of @fastify\/websocket|options of any Fastify route/, 'they compare with @fastify/websocket, which has no HTTP/2, or send plain bytes'],
  [/no browser, may connect|an allowed origin is accepted|properties of its upgrade request|cookies are for TLS only/, 'they expect a server without TLS'],
  [/behind a plain request|request.ws is true in hooks from before/, 'they send bytes of HTTP/1.1'],
  [/size is the number|stats has the counters/, 'they expect that the session has ended when the client has: over HTTP/2 the client closes the stream last, and knows first']
]

interface Outcome {
  passed: number
  http1: number
  failed: string[]
}

/** Without what tap tells its own children. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TAP')))

/** Runs a suite over a transport. A test has its subtests in front of it, and what is wrong with it behind it. */
async function run (suite: string, transport: string): Promise<Outcome> {
  const child = spawn('env', [
    '-u', 'NODE_OPTIONS', // with which tap would load its own modules into the child
    process.execPath, join(root, '..', 'node_modules', '.bin', 'ts-node-transpile-only'), '-r', preload, join(root, `${suite}.test.ts`)
  ], { env: { ...environment, TRANSPORT: transport }, stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill(), 120_000)
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  clearTimeout(timer)
  const outcome: Outcome = { passed: 0, http1: 0, failed: [] }
  if (/^Bail out!/m.test(output) || !/^1\.\.\d+$/m.test(output)) outcome.failed.push(`${suite} has not run to its end`)
  const blocks = output.split(/^(?=# Subtest)/m).slice(1)
  for (const block of blocks) {
    const [[, not, name] = ['', 'not ', block.split('\n')[0]], ...outside] = [...block.matchAll(/^(not )?ok \d+ - (.*?)(?: # .*)?$/gm)]
    outcome.failed.push(...outside.filter(([, not]) => not !== undefined).map(([, , name]) => name)) // what was thrown outside of tests
    if (not === undefined) outcome.passed++
    else if (block.includes('Http1Only') || HTTP1.some(([pattern]) => pattern.test(name))) outcome.http1++
    else outcome.failed.push(name)
  }
  return outcome
}

t.jobs = 2

for (const transport of ['http2', 'http2-tls']) {
  for (const suite of SUITES) {
    t.test(`${suite} over ${transport}`, { timeout: 150_000, buffered: true }, async (t) => {
      const { passed, http1, failed } = await run(suite, transport)
      t.comment(`${suite}, ${transport}: ${passed} passed, ${http1} are about HTTP/1.1, ${failed.length} failed`)
      t.same(failed, [])
      t.ok(passed > 0)
    })
  }
}
