import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../lib/client/client'
import { Example, examples } from '../helpers/example'
import { NatsServer, skip as skipNats } from '../helpers/nats'
import { RedisServer, skip as skipRedis } from '../helpers/redis'
import { Visitor } from '../helpers/visitor'
import { account } from '../processes/account'
import { Person, Town, type Place } from '../processes/town'

/*
 * Three processes of the chat share the server of one broker, with 300 people. The test kills a process, then the server, which keeps
 * its log on disk. An observer in each room, in a process that nobody kills, tells the order of the messages.
 */

const PROCESSES = 3
const ROOMS = 10
const PEOPLE = 300
const LIMIT = 20_000

/** The name of those who only listen. */
const OBSERVER = 'observer'

/** In ms: the limit for one engine. A run takes about ten seconds on an idle machine. */
const BOUND = 60_000

interface Engine {
  env: Record<string, string>
  kill (): Promise<void>
  start (): Promise<void>
}

/** A process of the chat, which can be killed and started again on the same port. */
class Chat {
  readonly #t: Test
  readonly #env: Record<string, string>
  #example!: Example
  place!: Place
  /** Resolves with the new place when the process has been started again. */
  restarted!: Promise<Place>
  #restart!: (place: Place) => void

  constructor (t: Test, env: Record<string, string>) {
    this.#t = t
    this.#env = env
  }

  async start (): Promise<void> {
    const example = this.#example = new Example('chat/server.js', [], this.#env)
    this.#t.teardown(() => example.kill())
    const [url] = await example.ready()
    this.#env.PORT = new URL(url).port
    this.place = { url, isKilled: false }
    this.#restart?.(this.place)
    this.restarted = new Promise((resolve) => { this.#restart = resolve })
  }

  async kill (): Promise<void> {
    this.place.isKilled = true
    this.#example.kill()
    await this.#example.ended
  }
}

async function run (t: Test, engine: Engine): Promise<void> {
  const chats = Array.from({ length: PROCESSES }, () => new Chat(t, { ...engine.env }))
  await Promise.all(chats.map((chat) => chat.start()))
  const observers = await observe(t, engine)
  const town = new Town(Array.from({ length: PEOPLE }, (_, i) => new Person(`p${i}`, `room-${i % ROOMS}`, choose(chats, Math.floor(i / ROOMS)))))
  t.teardown(() => town.end())
  town.live()
  await town.talked('all people are connected')

  await chats[0].kill()
  await chats[0].start()
  await town.talked('all people are connected again')

  const outage = performance.now()
  await engine.kill()
  await engine.start()
  await town.until('all people are welcomed again', () => town.people.every(({ welcomed }) => welcomed > outage))
  await town.talked('after the outage, all people get their messages back')

  town.hush()
  await town.until('all messages have come back to their authors', () => town.people.every(({ said }) => said.every(({ isBack }) => isBack)))
  const orders = new Map([...observers].map(([room, { positions }]) => [room, positions]))
  await town.until('the last messages have arrived', () => town.people.every(({ room, heard }) => heard.at(-1) === orders.get(room)!.at(-1)))
  const result = account(town.people, orders)
  t.comment(JSON.stringify(result))
  t.match(result, { lost: 0, duplicates: 0, outOfOrder: 0, foreign: 0 })
  t.ok(result.heard > town.people.reduce((sum, { said }) => sum + said.length, 0) * PEOPLE / ROOMS * 0.9, 'nearly all people heard nearly all messages')
  t.ok(result.returns >= PEOPLE / PROCESSES, 'people have come back')
  // The topics keep 50 messages: on a slow machine many are away for longer.
  t.ok(result.afresh < result.returns, `${result.returns - result.afresh} of ${result.returns} have got what they had missed`)
  for (const { visitor } of observers.values()) t.equal(visitor.afresh, 1, 'the observer has got everything')
  await agree(t, town, chats)
}

/** A visitor that listens all the time, and the positions of all messages. */
interface Observer {
  visitor: Visitor
  positions: string[]
}

/** Observes all rooms. Resolves with the observer of each room. */
async function observe (t: Test, engine: Engine): Promise<Map<string, Observer>> {
  const app = await require(join(examples, 'chat/server.js')).build({}, engine.env)
  t.teardown(() => app.close())
  await app.ready()
  const observers = new Map<string, Observer>()
  for (let i = 0; i < ROOMS; i++) {
    const observer = { visitor: await Visitor.join(app, `room-${i}`, OBSERVER), positions: [] }
    observers.set(`room-${i}`, observer)
    listen(observer)
  }
  return observers
}

async function listen ({ visitor, positions }: Observer): Promise<void> {
  for (;;) {
    const before = visitor.said.length
    await visitor.receive().catch(() => {}) // the app has closed
    if (visitor.client.state !== 'open') return
    if (visitor.said.length > before) positions.push(visitor.position!)
  }
}

/** Each person has a process. When the process is killed, half of its people wait for its restart, and half use another process. */
function choose (chats: Chat[], i: number): (before: Place | null) => Place | Promise<Place> {
  const own = chats[i % chats.length]
  const other = chats[(i + 1) % chats.length]
  return (before) => {
    if (before === null || !before.isKilled) return before ?? own.place
    return i % 2 === 0 ? other.place : own.restarted
  }
}

/** Asserts that all processes give a new user the same people and the same messages. */
async function agree (t: Test, town: Town, chats: Chat[]): Promise<void> {
  for (const room of new Set(town.people.map(({ room }) => room))) {
    const names = town.people.filter((person) => person.room === room).map(({ name }) => name)
    const all = []
    for (const { place } of chats) {
      const visitor = new Visitor(await connect(`${place.url}chat/${room}?name=${OBSERVER}`, { valueType: 'json', receiveTimeout: LIMIT }))
      await visitor.next('welcome')
      t.strictSame(visitor.people.sort(), [...names, OBSERVER].sort())
      all.push(visitor.said)
      visitor.client.terminate()
    }
    for (const said of all) t.strictSame(said, all[0])
    t.equal(all[0].length, 50)
  }
}

t.setTimeout(2 * BOUND)

t.test('the chat in three processes on Redis loses, duplicates and reorders no message', { skip: skipRedis, timeout: BOUND }, async (t) => {
  const server = await RedisServer.start(t, { args: ['--appendonly', 'yes'] })
  await run(t, { env: { REDIS_URL: `redis://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() })
})

t.test('the chat in three processes on NATS loses, duplicates and reorders no message', { skip: skipNats, timeout: BOUND }, async (t) => {
  const server = await NatsServer.start(t, '', { jetStream: true })
  await run(t, { env: { NATS_URL: `nats://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() })
})
