import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { BROWSERS } from '../helpers/browsers'
import { Example } from '../helpers/example'
import { Gate } from '../helpers/gate'
import { NatsServer, skip as skipNats } from '../helpers/nats'
import { RedisServer, skip as skipRedis } from '../helpers/redis'
import { until } from '../helpers/until'
import type { Tab } from '../helpers/tab'

/*
 * A page that misses nothing: Chromium with `reconnect` and `resume`, and servers of test/chaos/server.js behind a relay. All servers
 * publish to two topics all the time. The page goes offline, its line breaks, and servers are killed and started again. In the end, the
 * page must have taken what the log has: everything, once, in the order of the log.
 */

const TOPICS = ['orders', 'news']

/** In ms. */
const OFFLINE = 10_000
const LIMIT = 20_000

interface Engine {
  name: string
  /** Why there is no such engine on this machine. */
  skip: string | false
  /** The number of server processes. A single one keeps the log in its memory, and is not killed. */
  processes: number
  /** Starts the engine. Resolves with the variables for the servers. */
  start (t: Test): Promise<Record<string, string>>
}

const ENGINES: Engine[] = [
  { name: 'memory', skip: false, processes: 1, start: async () => ({}) },
  { name: 'Redis', skip: skipRedis, processes: 3, start: async (t) => ({ REDIS_URL: `redis://127.0.0.1:${(await RedisServer.start(t)).port}` }) },
  { name: 'NATS', skip: skipNats, processes: 3, start: async (t) => ({ NATS_URL: `nats://127.0.0.1:${(await NatsServer.start(t, '', { jetStream: true })).port}` }) }
]

/** A message, as the log and the page have it. */
type Message = [position: string, data: { from: string, n: number } | 'the end']

/** A server process, which can be killed and started again on the same port. */
class Server {
  readonly name: string
  readonly #t: Test
  readonly #env: Record<string, string>
  #example!: Example

  constructor (t: Test, name: string, env: Record<string, string>) {
    this.name = name
    this.#t = t
    this.#env = { ...env, NAME: name }
  }

  get port (): number {
    return Number(this.#env.PORT)
  }

  async start (): Promise<void> {
    const example = this.#example = new Example('../test/chaos/server.js', [], this.#env)
    this.#t.teardown(() => example.kill())
    const [url] = await example.ready()
    this.#env.PORT = new URL(url).port
  }

  async kill (): Promise<void> {
    this.#example.kill()
    await this.#example.ended
  }

  async ask (path: string, body?: unknown): Promise<any> {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, init)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return await response.json()
  }

  /** The messages of a topic after a position. */
  async log (topic: string, after: string): Promise<{ messages: Message[], recovered: boolean }> {
    const { messages, recovered } = await this.ask(`/log/${topic}?${new URLSearchParams({ after })}`)
    return { messages: messages.map(({ position, data }: any) => [position, data]), recovered }
  }

  /** The position of the newest message of a topic. */
  async newest (topic: string): Promise<string> {
    const { messages } = await this.ask(`/newest/${topic}`)
    return messages[0].position
  }
}

/** The page, its servers, and what happens to them. */
class Run {
  readonly servers: Server[]
  readonly #tab: Tab
  readonly #begun = performance.now()
  readonly #rows: string[] = []

  constructor (tab: Tab, servers: Server[]) {
    this.#tab = tab
    this.servers = servers
  }

  /** Evaluates an expression of `page`, the object of test/chaos/page.html. */
  async page (expression: string): Promise<any> {
    return await this.#tab.evaluate(`page.${expression}`)
  }

  /** Adds a row to the table of what happened. */
  async tell (what: string): Promise<void> {
    const seconds = ((performance.now() - this.#begun) / 1000).toFixed(1)
    const counts = TOPICS.map((topic) => `page.taken.${topic}.length`)
    const cells = await this.#tab.evaluate(`[page.process ?? '–', page.connections, ${counts.join(', ')}]`)
    this.#rows.push(`| ${[seconds, what, ...cells].join(' | ')} |`)
  }

  table (): string[] {
    return [`| s | what happens | connected to | connections | ${TOPICS.map((topic) => `taken of ${topic}`).join(' | ')} |`, ...this.#rows]
  }

  /** The server of the page's connection. Resolves when there is one. */
  async own (): Promise<Server> {
    let name: string | null = null
    await until(async () => (name = await this.page('process')) !== null, LIMIT)
    return this.servers.find((server) => server.name === name)!
  }

  /** Resolves when the page has subscribed to all topics. */
  async hasBegun (): Promise<void> {
    await until(async () => Object.keys(await this.page('begins')).length === TOPICS.length, LIMIT)
  }

  /** Resolves when the page has taken what the topics have had at the time of the call. */
  async isCaughtUp (server: Server): Promise<void> {
    for (const topic of TOPICS) {
      const newest = JSON.stringify(await server.newest(topic))
      await until(() => this.page(`isAt('${topic}', ${newest})`), LIMIT)
    }
  }
}

/** The line of the page breaks, and the browser knows that. Meanwhile another server is killed and started again. */
async function goOffline (run: Run, gate: Gate, tab: Tab): Promise<void> {
  const own = await run.own()
  const other = run.servers.find((server) => server !== own)
  gate.cut()
  await tab.setOffline(true)
  await run.tell('the page goes offline')
  const isOver = setTimeout(OFFLINE)
  if (other !== undefined) {
    await setTimeout(OFFLINE / 5)
    await other.kill()
    await run.tell(`${other.name} is killed`)
    await setTimeout(OFFLINE / 5)
    await other.start()
    await run.tell(`${other.name} is started again`)
  }
  await isOver
  const before: number = await run.page('taken.orders.length')
  await gate.mend()
  await tab.setOffline(false)
  await run.tell('the page goes online')
  await until(async () => await run.page('taken.orders.length') > before, LIMIT)
  gate.cut()
  await gate.mend()
  await run.tell('the line breaks while the page catches up')
  await run.isCaughtUp(own)
  await run.tell('the page has caught up')
}

/** The server of the page is killed, and started again when the page has another one. */
async function killOwn (run: Run): Promise<void> {
  const own = await run.own()
  await own.kill()
  await run.tell(`${own.name}, the server of the page, is killed`)
  await until(async () => ![null, own.name].includes(await run.page('process')), LIMIT)
  await run.isCaughtUp(await run.own())
  await run.tell('the page has caught up')
  await own.start()
  await run.tell(`${own.name} is started again`)
}

/** Compares what the page has taken of a topic with the log. */
function compare (log: Message[], taken: Message[]): Record<'lost' | 'duplicates' | 'outOfOrder' | 'foreign', number> {
  const places = new Map(log.map((message, place) => [JSON.stringify(message), place]))
  const seen = taken.map((message) => places.get(JSON.stringify(message)) ?? -1)
  const known = seen.filter((place) => place !== -1)
  return {
    lost: log.length - new Set(known).size,
    duplicates: known.length - new Set(known).size,
    outOfOrder: known.filter((place, i) => i > 0 && place < known[i - 1]).length,
    foreign: seen.length - known.length
  }
}

/** Whether the numbers of each publisher grow. */
function isInOrder (log: Message[]): boolean {
  const last = new Map<string, number>()
  return log.every(([, data]) => {
    if (data === 'the end') return true
    const before = last.get(data.from) ?? -1
    last.set(data.from, data.n)
    return data.n > before
  })
}

async function survive (t: Test, engine: Engine, tab: Tab): Promise<void> {
  const env = await engine.start(t)
  const servers = Array.from({ length: engine.processes }, (_, i) => new Server(t, `server ${i + 1}`, env))
  await Promise.all(servers.map((server) => server.start()))
  const gate = await Gate.open(t, ...servers.map(({ port }) => port))
  await tab.goto(`http://127.0.0.1:${gate.port}/`)
  const run = new Run(tab, servers)
  await run.hasBegun()
  await run.isCaughtUp(await run.own())
  await run.tell('the page has messages')

  await goOffline(run, gate, tab)
  if (engine.processes > 1) for (let n = 0; n < 2; n++) await killOwn(run)

  for (const server of servers) await server.ask('/hush', {})
  for (const topic of TOPICS) await servers[0].ask(`/publish/${topic}`, 'the end')
  await run.isCaughtUp(servers[0])
  await run.tell('all servers are silent')

  for (const line of run.table()) t.comment(line)
  for (const topic of TOPICS) {
    const { messages, recovered } = await servers[0].log(topic, await run.page(`begins.${topic}`))
    const result = compare(messages, await run.page(`taken.${topic}`))
    t.comment(`${topic}: the log has ${messages.length}: ${JSON.stringify(result)}`)
    t.ok(recovered, 'the log has everything since the page began')
    t.ok(messages.length > 100, `${messages.length} messages`)
    t.ok(isInOrder(messages), 'the log has the messages of each publisher in order')
    t.strictSame(result, { lost: 0, duplicates: 0, outOfOrder: 0, foreign: 0 }, topic)
  }
  t.strictSame(await run.page('gaps'), [], 'no server has said that messages may be missing')
  t.ok(await run.page('connections') >= (engine.processes > 1 ? 5 : 3), 'the page has connected again each time')
}

const { missing, launch } = BROWSERS.Chromium

for (const engine of ENGINES) {
  t.test(`on ${engine.name}, a page with resume loses, duplicates and reorders nothing`, { skip: missing || engine.skip, timeout: 90_000 }, async (t) => {
    await survive(t, engine, await launch(t))
  })
}
