import t, { type Test } from 'tap'
import { connect } from '../../lib/client/client'
import { Example } from '../helpers/example'
import { NatsServer, skip as skipNats } from '../helpers/nats'
import { RedisServer, skip as skipRedis } from '../helpers/redis'
import { account } from '../processes/account'
import { Person, Town, type Place } from '../processes/town'

/* Three processes of the chat on one server, and 300 people. A process is killed, then the server. */

const PROCESSES = 3
const ROOMS = 10
const PEOPLE = 300
const LIMIT = 20_000

/** Milliseconds before the server is killed: what it was given then may be lost with it. */
const UNDER_WAY = 1_000

/** Milliseconds for one engine: it takes about ten seconds where nothing else runs. */
const BOUND = 60_000

interface Engine {
  env: Record<string, string>
  kill (): Promise<void>
  start (): Promise<void>
}

/** A process of the chat, which can be killed and started again in its place. */
class Chat {
  readonly #t: Test
  readonly #env: Record<string, string>
  #example!: Example
  place!: Place
  /** Where it is, when it has been started again. */
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
  await town.talked('all are there')

  await chats[0].kill()
  await chats[0].start()
  await town.talked('all are back')

  const outage = performance.now() - UNDER_WAY
  await engine.kill()
  await town.talked('in each process there is talk in each room', town.speakers)
  await engine.start()
  await town.until('all know of the outage', () => town.people.every(({ visit }) => visit.resyncs.some(({ time }) => time > outage)))
  await town.talked('all talk again')

  await settle(town)
  const result = account(town, outage)
  t.comment(JSON.stringify(result))
  t.match(result, { duplicates: 0, outOfOrder: 0, missed: 0 })
  t.ok(result.heard > 0.7 * result.said * PEOPLE / ROOMS, 'most was heard at once')
  t.ok(result.resynced > 0, 'something was lost in the outage')
  await agree(t, town, chats)
}

/** Everybody has a process. When it is killed, one half waits for it to be there again, the other goes elsewhere. */
function choose (chats: Chat[], i: number): (before: Place | null) => Place | Promise<Place> {
  const own = chats[i % chats.length]
  const other = chats[(i + 1) % chats.length]
  return (before) => {
    if (before === null) return own.place
    return i % 2 === 0 ? other.place : own.restarted
  }
}

/** Resolves when everything has come that comes. What comes last from a process to a room, comes after all that came before. */
async function settle (town: Town): Promise<void> {
  town.hush()
  await town.until('all messages have come back to those who have said them', () => town.people.every(({ visit }) => visit.said.every(({ at }) => at !== undefined)))
  const last = town.speakers.map((person) => town.say(person)!)
  await town.until('the last messages have come', () => last.every(({ id, room }) =>
    town.people.every((person) => person.room !== room || person.visit.heard.includes(id))))
}

/** Whoever comes in finds the same people and the same history, wherever that is. */
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

t.test('the chat in three processes on Redis', { skip: skipRedis, timeout: BOUND }, async (t) => {
  const server = await RedisServer.start(t)
  await run(t, { env: { REDIS_URL: `redis://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() })
})

t.test('the chat in three processes on NATS', { skip: skipNats, timeout: BOUND }, async (t) => {
  const server = await NatsServer.start(t)
  await run(t, { env: { NATS_URL: `nats://127.0.0.1:${server.port}` }, kill: () => server.kill(), start: () => server.start() })
})
