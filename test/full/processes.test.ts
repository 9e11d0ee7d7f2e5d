import t, { type Test } from 'tap'
import { connect } from '../../lib/client/client'
import { Example } from '../helpers/example'
import { NatsServer, skip as skipNats } from '../helpers/nats'
import { RedisServer, skip as skipRedis } from '../helpers/redis'
import { account } from '../processes/account'
import { Person, Town, type Place } from '../processes/town'

/* Three processes of the chat share the server of one broker, with 300 people. The test kills a process, then the server. */

const PROCESSES = 3
const ROOMS = 10
const PEOPLE = 300
const LIMIT = 20_000

/** In ms: messages that the server got in this time before it was killed may be lost with it. */
const UNDER_WAY = 1_000

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
  const town = new Town(Array.from({ length: PEOPLE }, (_, i) => new Person(`p${i}`, `room-${i % ROOMS}`, choose(chats, Math.floor(i / ROOMS)))))
  t.teardown(() => town.end())
  town.live()
  await town.talked('all people are connected')

  await chats[0].kill()
  await chats[0].start()
  await town.talked('all people are connected again')

  const outage = performance.now() - UNDER_WAY
  await engine.kill()
  await town.talked('during the outage, the people of each process get their messages back', town.speakers)
  await engine.start()
  await town.until('all people have got a resync', () => town.people.every(({ visit }) => visit.resyncs.some(({ time }) => time > outage)))
  await town.talked('after the outage, all people get their messages back')

  await settle(town)
  const result = account(town, outage)
  t.comment(JSON.stringify(result))
  t.match(result, { duplicates: 0, outOfOrder: 0, missed: 0 })
  t.ok(result.heard > 0.7 * result.said * PEOPLE / ROOMS, 'most messages arrived')
  t.ok(result.resynced > 0, 'some messages were lost in the outage')
  await agree(t, town, chats)
}

/** Each person has a process. When the process is killed, half of its people wait for its restart, and half use another process. */
function choose (chats: Chat[], i: number): (before: Place | null) => Place | Promise<Place> {
  const own = chats[i % chats.length]
  const other = chats[(i + 1) % chats.length]
  return (before) => {
    if (before === null) return own.place
    return i % 2 === 0 ? other.place : own.restarted
  }
}

/** Resolves when all messages have arrived that will arrive. The last message of each process to each room arrives after all others. */
async function settle (town: Town): Promise<void> {
  town.hush()
  await town.until('all messages have come back to their authors', () => town.people.every(({ visit }) => visit.said.every(({ at }) => at !== undefined)))
  const last = town.speakers.map((person) => town.say(person)!)
  await town.until('the last messages have arrived', () => last.every(({ id, room }) =>
    town.people.every((person) => person.room !== room || person.visit.heard.includes(id))))
}

/** Asserts that all processes give a new user the same people and the same history. */
async function agree (t: Test, town: Town, chats: Chat[]): Promise<void> {
  for (const room of new Set(town.people.map(({ room }) => room))) {
    const names = town.people.filter((person) => person.room === room).map(({ name }) => name)
    const histories = []
    for (const { place } of chats) {
      const client = await connect(`${place.url}chat/${room}?name=observer`, { valueType: 'json', receiveTimeout: LIMIT })
      const { people, history }: any = await client.receive()
      t.strictSame(people.sort(), [...names, 'observer'].sort())
      histories.push(history)
      client.terminate()
    }
    for (const history of histories) t.strictSame(history, histories[0])
    t.equal(histories[0].length, 50)
  }
}

t.setTimeout(2 * BOUND)

t.test('the chat in three processes on Redis loses, duplicates and reorders no message', { skip: skipRedis, timeout: BOUND }, async (t) => {
  const server = await RedisServer.start(t)
  await run(t, { env: { REDIS_URL: `redis://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() })
})

t.test('the chat in three processes on NATS loses, duplicates and reorders no message', { skip: skipNats, timeout: BOUND }, async (t) => {
  const server = await NatsServer.start(t)
  await run(t, { env: { NATS_URL: `nats://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() })
})
