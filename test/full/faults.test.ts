import fc from 'fast-check'
import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { connect } from '../../lib/client/client'
import { Deferred } from '../../lib/base/deferred'
import type { CloseInfo } from '../../types/message'
import type { WebSocketChannel } from '../../types/session'
import { createApp, listen } from '../helpers/app'
import { check, promptly } from '../helpers/fuzz'
import { startRelay, type Faults } from '../helpers/relay'
import { assertNoConnections } from '../helpers/tcp'
import { unhandledRejections } from '../helpers/unhandled'

/* Both sides send numbered messages through a relay that delays, splits, stalls and resets. */

/** The part of one side. */
interface Part {
  /** The number of messages that the side sends, and their length in bytes. */
  count: number
  length: number
  closes: boolean
}

/** What happens on one connection. */
interface Story {
  faults: Faults
  server: Part
  client: Part
  /** Whether the closing side first waits until it has received all messages. */
  isPatient: boolean
  hasSessionHandlers: boolean
}

const CODE = 4000
const DONE = 'done'

/** What one side has seen. */
class Report {
  readonly received: number[] = []
  readonly done = new Deferred<void>()
  isDone = false
  end: CloseInfo | null = null
  disconnects = 0
  hasEnded = false

  take (message: string): void {
    if (message === DONE) {
      this.isDone = true
      this.done.resolve()
    } else {
      this.received.push(parseInt(message))
    }
  }
}

async function send (channel: WebSocketChannel<any>, { count, length }: Part): Promise<void> {
  for (let n = 0; n < count; n++) await channel.send(`${n} `.padEnd(length))
  await channel.send(DONE)
}

async function receive (channel: WebSocketChannel<string>, report: Report): Promise<void> {
  for await (const message of channel) report.take(message)
}

/** Sends all messages of one side, and closes if the part says so. */
async function speak (channel: WebSocketChannel<any>, part: Part, report: Report, isPatient: boolean): Promise<void> {
  await send(channel, part)
  if (!part.closes) return
  if (isPatient) await Promise.race([report.done.promise, channel.closed])
  await channel.close(CODE)
}

/** Sends and receives for one side until the connection has ended. */
async function talk (channel: WebSocketChannel<string>, part: Part, report: Report, isPatient: boolean): Promise<void> {
  await Promise.allSettled([speak(channel, part, report, isPatient), receive(channel, report)])
  report.end = await channel.closed
}

/** An app, and the stories of its connections. */
class Scene {
  readonly app: FastifyInstance
  readonly #port: number
  readonly #stories: Map<string, [Story, Report]>
  #count = 0

  static async open (t: Parameters<typeof createApp>[0]): Promise<Scene> {
    const app = await createApp(t, { receiveHighWaterMark: 1_000, sendHighWaterMark: 1_000 })
    const stories = new Map<string, [Story, Report]>()
    const storyOf = (request: any): [Story, Report] => stories.get(request.params.id)!
    app.websocket('/handler/:id', async (ws, request) => {
      const [{ server, isPatient }, report] = storyOf(request)
      try {
        await talk(await ws.accept(), server, report, isPatient)
      } finally {
        report.hasEnded = true
      }
    })
    app.websocket('/handlers/:id', {
      websocket: {
        async onConnect (ws, request) {
          const [{ server, isPatient }, report] = storyOf(request)
          await ws.accept()
          speak(ws, server, report, isPatient).catch(() => {})
        },
        onMessage: (_, data, request) => storyOf(request)[1].take(data),
        onDisconnect (_, info, request) {
          const [, report] = storyOf(request)
          report.end = info
          report.disconnects++
          report.hasEnded = true
        }
      }
    })
    return new Scene(app, await listen(app), stories)
  }

  private constructor (app: FastifyInstance, port: number, stories: Map<string, [Story, Report]>) {
    this.app = app
    this.#port = port
    this.#stories = stories
  }

  /** The greatest number of calls of onDisconnect for one connection. */
  get disconnects (): number {
    return Math.max(...Array.from(this.#stories.values(), ([, { disconnects }]) => disconnects))
  }

  /** Plays a story, and throws if either side has seen something wrong. */
  async play (story: Story): Promise<void> {
    const id = String(++this.#count)
    const server = new Report()
    const client = new Report()
    this.#stories.set(id, [story, server])
    const relay = await startRelay(this.#port, story.faults)
    try {
      const channel = await connect(`ws://127.0.0.1:${relay.port}/${story.hasSessionHandlers ? 'handlers' : 'handler'}/${id}`, { receiveHighWaterMark: 1_000, sendHighWaterMark: 1_000 }).catch((error) => {
        if (error.name !== 'WebSocketUpgradeError' || !breaks(story.faults)) throw error
      })
      if (channel == null) return // the handshake has failed
      talk(channel, story.client, client, story.isPatient).finally(() => { client.hasEnded = true })
      await promptly(() => client.hasEnded && server.hasEnded, () => `the connection does not end: client ${JSON.stringify(client)}, server ${JSON.stringify(server)}`)
      judge(story, server, client)
    } finally {
      relay.close()
    }
  }
}

function breaks ({ fault }: Faults): boolean {
  return fault === 'reset' || fault === 'end'
}

function judge (story: Story, server: Report, client: Report): void {
  const sides: [string, Report, Part, Part][] = [['the server', server, story.server, story.client], ['the client', client, story.client, story.server]]
  for (const [who, report, { closes }, other] of sides) {
    const { received, isDone, end } = report
    must(received.every((number, n) => number === n), `${who} has received ${String(received)}`)
    must(received.length <= other.count, `${who} has received ${received.length} messages, but ${other.count} were sent`)
    // A close frame arrives after all messages sent before it, and the message DONE after all others.
    const isWhole = isDone || (!closes && end!.wasClean)
    must(!isWhole || (isDone && received.length === other.count), `${who} has received ${received.length} of ${other.count}${isDone ? '' : ' and no DONE'}`)
    must(end!.code === CODE || (end!.code === 1006 && !end!.wasClean), `${who} has seen the end ${JSON.stringify(end)}`)
    must(breaks(story.faults) || end!.wasClean, `${who} has not closed cleanly: ${JSON.stringify(end)}`)
    must(breaks(story.faults) || !story.isPatient || isDone, `${who} has not received all`)
  }
  must(server.disconnects === Number(story.hasSessionHandlers), `onDisconnect ran ${server.disconnects} times`)
}

function must (condition: boolean, failure: string): void {
  if (!condition) throw new Error(failure)
}

const pieces = fc.constantFrom(1, 7, 100, 1_460, 65_536)

const stories: fc.Arbitrary<Story> = pieces.chain((maxPiece) => {
  const part = fc.record({ count: fc.nat(30), length: fc.constantFrom(1, 10, 130, 2_000, 20_000).map((length) => Math.min(length, 20 * maxPiece)) })
  return fc.record({
    faults: fc.record({
      seed: fc.nat(),
      maxPiece: fc.constant(maxPiece),
      maxDelay: fc.constantFrom(0, 1, 5),
      after: fc.oneof(fc.nat(700), fc.nat(5_000), fc.nat(200_000)),
      fault: fc.constantFrom<Faults['fault'][]>('none', 'stall', 'reset', 'end'),
      stall: fc.nat(100)
    }),
    server: part,
    client: part,
    isServerClosing: fc.boolean(),
    isPatient: fc.boolean(),
    hasSessionHandlers: fc.boolean()
  }).map(({ server, client, isServerClosing, ...story }) => ({
    ...story,
    server: { ...server, closes: isServerClosing },
    client: { ...client, closes: !isServerClosing }
  }))
})

t.test('messages arrive once and in order, all of them before a clean close, and every session ends', async (t) => {
  const scene = await Scene.open(t)
  const together = fc.array(stories, { minLength: 1, maxLength: 12, size: 'max' })
  t.same(await unhandledRejections(() => check(t, together, async (stories) => {
    await Promise.all(stories.map((story) => scene.play(story)))
    await promptly(() => scene.app.websockets.size === 0, () => `${scene.app.websockets.size} sessions are still open`)
    must(scene.disconnects <= 1, 'onDisconnect ran more than once')
  }, { standard: 60, limit: 6_000 })), [])
  await assertNoConnections(t, scene.app)
  const begin = Date.now()
  await scene.app.close()
  t.ok(Date.now() - begin < 1_000, 'no handler is left')
})
