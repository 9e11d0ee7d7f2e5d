import { setImmediate as turn } from 'node:timers/promises'
import type { Test } from 'tap'
import { History } from '../../lib/pubsub/history'
import { beginningIn } from '../../lib/pubsub/beginning'
import { PubSub } from '../../lib/pubsub/pubsub'
import { messagesIn } from './frames'
import { ModelBroker, ModelServer, seeded, type Random } from './model-broker'
import type { Batch, PreparedMessage } from '../../lib/protocol/prepared-message'
import type { Follower, Subscription } from '../../lib/pubsub/subscription'

/*
 * A model of topics with history: random publications, subscriptions that resume, slow subscribers, outages, trims and losses, on
 * brokers whose answers take random times. Each message is a number, one after the other. A subscriber may miss numbers only where
 * it was told so, and never gets a number twice or too early.
 */

const STEPS = 60
const RETENTION = { size: 1_000, ttl: 60_000, maxBytes: 1_000_000 }
const TOPIC = 'room'

/** In turns of the event loop: every answer, and every message, has come by then. */
const QUIET = 400

/** A client, over all its connections. */
class Client implements Follower {
  /** What the client has got: numbers, and 'gap' where it was told that messages may be missing before the next one. */
  readonly got: (number | 'gap')[] = []
  /** The number of times that the client was told so later, by 'resync'. */
  missed = 0
  /** What the client has published itself. It may get that or not. */
  readonly own = new Set<number>()
  position: string | undefined
  subscription: Subscription<Client> | null = null
  isSlow = false
  readonly #random: Random
  #history!: History<Client>

  constructor (random: Random) {
    this.#random = random
  }

  deliver (batch: Batch): void {
    for (const message of messagesIn(batch.bytes)) {
      const { position, data } = JSON.parse(message as string)
      this.position = position
      this.got.push(data)
    }
  }

  offer (batch: Batch): boolean {
    if (!this.isSlow) this.deliver(batch)
    return !this.isSlow
  }

  async replay (message: PreparedMessage): Promise<void> {
    this.deliver(message)
    for (let turns = Math.floor(this.#random() * 3); turns > 0; turns--) await turn()
  }

  giveUp (): void {
    this.leave()
  }

  leave (): void {
    if (this.subscription === null) return
    this.#history.end(this.subscription)
    this.subscription = null
  }

  async subscribe (history: History<Client>): Promise<void> {
    this.#history = history
    const beginning = this.position === undefined ? {} : beginningIn('subscribe', { after: this.position })
    const subscription = this.subscription = history.create(TOPIC, RETENTION, this, true)
    const before = this.got.length
    try {
      const { position, recovered } = await history.begin(subscription, beginning)
      if (recovered || this.subscription !== subscription) return
      const isFirst = this.got.length === before
      this.got.splice(before, 0, 'gap')
      if (isFirst && position !== null) this.position = position
    } catch {
      if (this.subscription === subscription) this.leave()
    }
  }
}

/** A process with clients. */
function createProcess (server: ModelServer): { broker: ModelBroker, pubsub: PubSub<any, Client> } {
  const broker = new ModelBroker(server)
  const pubsub = new PubSub<any, Client>()
  const log: any = { info () {}, warn () {}, error () {} }
  const missed = (): void => {
    for (const client of pubsub.history!.followers(TOPIC)) client.missed++
  }
  pubsub.connect(broker, async () => {
    const recovered = await pubsub.history!.recover()
    if (recovered?.includes(TOPIC) === false) missed()
  }, { log })
  pubsub.remember(() => RETENTION, broker, missed)
  return { broker, pubsub }
}

/** The numbers in the order of the logs. */
function order (server: ModelServer): number[] {
  return server.appended.filter((envelope) => envelope[1] !== 6).map((envelope) => Number(envelope.toString('latin1', 18)))
}

/** What is wrong with what `client` has got. */
function faults (client: Client, order: number[]): string[] {
  const places = new Map(order.map((number, place) => [number, place]))
  const found: string[] = []
  let last = -1
  let isTold = true
  let jumps = 0
  for (const number of client.got) {
    if (number === 'gap') {
      isTold = true
      continue
    }
    const place = places.get(number)!
    if (place <= last) found.push(`${number} comes again, or too late`)
    const missing = order.slice(last + 1, place).filter((each) => !client.own.has(each))
    if (!isTold && missing.length > 0) jumps++
    isTold = false
    last = Math.max(last, place)
  }
  if (jumps > client.missed) found.push(`${jumps} gaps, told of ${client.missed}`)
  return found
}

export async function runSeed (seed: number): Promise<{ wrong: string[], counts: Record<string, number> }> {
  const random = seeded(seed)
  const pick = <T>(list: T[]): T => list[Math.floor(random() * list.length)]
  const server = new ModelServer(random)
  const clients = Array.from({ length: 4 }, () => new Client(random))
  const processes = [createProcess(server), createProcess(server)]
  const counts: Record<string, number> = {}
  const underWay: Promise<unknown>[] = []
  let published = 0
  for (const { pubsub } of processes) await pubsub.link!.start()

  const publish = ({ pubsub }: (typeof processes)[number], client?: Client): void => {
    const number = published++
    client?.own.add(number)
    underWay.push(pubsub.publishKept(TOPIC, RETENTION, 'json', String(number), client?.subscription ?? undefined).catch(() => {}))
  }
  const actions: Record<string, () => void> = {
    publish: () => publish(pick(processes)),
    'publish 150': () => { for (let i = 0; i < 150; i++) publish(pick(processes)) },
    'publish by a subscriber' () {
      const process = pick(processes)
      const follower = process.pubsub.history!.followers(TOPIC)[0]
      if (follower !== undefined) publish(process, follower)
    },
    subscribe () {
      const client = pick(clients)
      if (client.subscription === null) underWay.push(client.subscribe(pick(processes).pubsub.history!))
    },
    leave: () => pick(clients).leave(),
    'grow slow': () => { pick(clients).isSlow = true },
    'grow fast': () => { pick(clients).isSlow = false },
    cut: () => pick(processes).broker.cut(),
    mend: () => pick(processes).broker.mend(),
    trim: () => server.trim(TOPIC, Math.floor(random() * 20)),
    expire: () => server.lose(TOPIC, false),
    'make anew': () => server.lose(TOPIC, true)
  }
  const weights: Record<string, number> = {
    publish: 12,
    'publish 150': 1,
    'publish by a subscriber': 3,
    subscribe: 9,
    leave: 5,
    'grow slow': 2,
    'grow fast': 4,
    cut: 2,
    mend: 5,
    trim: 1,
    expire: random() < 0.5 ? 1 : 0,
    'make anew': random() < 0.3 ? 1 : 0
  }
  const weighted = Object.entries(weights).flatMap(([name, weight]) => Array<string>(weight).fill(name))
  for (let step = 0; step < STEPS; step++) {
    const name = pick(weighted)
    counts[name] = (counts[name] ?? 0) + 1
    actions[name]()
    for (let turns = Math.floor(random() * 3); turns > 0; turns--) await turn()
  }
  for (const { broker } of processes) broker.mend()
  for (const client of clients) client.isSlow = false
  await Promise.all(underWay)
  for (let i = 0; i < QUIET; i++) await turn()
  let last = -1
  for (let i = 0; i < 2; i++) { // the first one may show that the log was made anew, and be missed
    last = published++
    await processes[0].pubsub.publishKept(TOPIC, RETENTION, 'json', String(last))
    for (let i = 0; i < QUIET; i++) await turn()
  }

  const wrong = clients.flatMap((client, i) => faults(client, order(server)).map((fault) => `client ${i}: ${fault}`))
  clients.forEach(({ subscription, got }, i) => { if (subscription !== null && got.at(-1) !== last) wrong.push(`client ${i} has not got the last message`) })
  counts.delivered = clients.reduce((sum, { got }) => sum + got.filter((number) => number !== 'gap').length, 0)
  counts.gaps = clients.reduce((sum, { got, missed }) => sum + got.filter((number) => number === 'gap').length + missed, 0)
  for (const { pubsub } of processes) await pubsub.link!.close()
  return { wrong, counts }
}

/** Runs the model with the seeds from 1 to `runs`. */
export async function historyModel (t: Test, runs: number): Promise<void> {
  const totals: Record<string, number> = {}
  for (let seed = 1; seed <= runs; seed++) {
    const { wrong, counts } = await runSeed(seed)
    for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count
    if (wrong.length > 0) t.fail(`seed ${seed}: ${wrong.join('; ')}`)
  }
  t.comment(JSON.stringify(totals))
  t.ok(totals.delivered > 50 * runs && totals.gaps > runs, 'the runs delivered messages, and lost some')
}
