import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { AddressInfo } from 'node:net'
import websocket from '../../lib/index'
import { close, STILL_OPEN, type Case, type Chop, type Outcome, type Received } from './case'
import { encode } from './frame'
import { Peer } from './peer'
import type { Client, Transport } from './transport'
import type { WebSocketPluginOptions } from '../../types/options'

export type Verdict = 'passed' | 'non-strict' | 'failed'

export interface Result {
  verdict: Verdict
  /** The rule that allows a non-strict outcome, or what was wrong. */
  detail: string
}

/** In ms: how long a case may take. */
const LIMIT = 10_000

/** In ms: how long the server has to fail the connection before the end of a message. */
const FAST = 100

/** In bytes: cases up to this size are split in every way. */
const SMALL = 4096

/** The best verdict first. */
const VERDICTS: readonly Verdict[] = ['passed', 'non-strict', 'failed']

/** An app with an echo route, and its client. */
interface Pair {
  app: FastifyInstance
  client: Client
}

/** Runs cases over one transport, against apps with an echo route. */
export class Runner {
  readonly #transport: Transport
  readonly #pairs = new Map<string, Promise<Pair>>()

  constructor (transport: Transport) {
    this.#transport = transport
  }

  /** Runs a case once for each way to split its bytes. Resolves with the worst result. */
  async run (test: Case): Promise<Result> {
    const chops = chopsOf(test)
    let worst: Result = { verdict: 'passed', detail: '' }
    for (const chop of chops) {
      const { verdict, detail } = await this.#runOnce(test, chop)
      if (VERDICTS.indexOf(verdict) <= VERDICTS.indexOf(worst.verdict)) continue
      worst = { verdict, detail: chops.length === 1 ? detail : `sent ${nameOf(chop)}: ${detail}` }
    }
    return worst
  }

  async close (): Promise<void> {
    for (const pair of this.#pairs.values()) {
      const { app, client } = await pair
      client.close()
      await app.close()
    }
  }

  async #runOnce (test: Case, chop: Chop): Promise<Result> {
    const { client } = await this.#pair(test.server)
    const deadline = AbortSignal.timeout(LIMIT)
    let peer: Peer | undefined
    try {
      peer = new Peer(await client.open('/', test.offer, deadline))
      if (peer.answer.refusal === undefined && agrees(peer.answer.extensions, test.extensions)) await converse(peer, test, chop)
      return deadline.aborted ? { verdict: 'failed', detail: `not over after ${LIMIT} ms: ${describe(peer)}` } : judge(peer, test)
    } catch (error) {
      return { verdict: 'failed', detail: (error as Error).message }
    } finally {
      peer?.destroy()
    }
  }

  #pair (options: WebSocketPluginOptions = {}): Promise<Pair> {
    const key = JSON.stringify(options)
    const pair = this.#pairs.get(key) ?? this.#start(options)
    this.#pairs.set(key, pair)
    return pair
  }

  async #start (options: WebSocketPluginOptions): Promise<Pair> {
    const app = await echo(this.#transport.server, options)
    const client = await this.#transport.connect((app.server.address() as AddressInfo).port)
    return { app, client }
  }
}

async function echo (server: FastifyServerOptions, options: WebSocketPluginOptions): Promise<FastifyInstance> {
  const app = Fastify(server)
  await app.register(websocket, { heartbeat: false, ...options }) // no case expects pings
  app.websocket('/', { websocket: { valueType: 'any' } }, async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

function chopsOf ({ chop, send }: Case): Chop[] {
  if (chop !== undefined) return [chop]
  const size = send.reduce((sum, step) => {
    if (Buffer.isBuffer(step)) return sum + step.length
    return typeof step === 'object' && 'opcode' in step ? sum + encode(step).length : sum
  }, 0)
  return size <= SMALL ? ['whole', 'frames', 1] : ['whole', 'frames']
}

function nameOf (chop: Chop): string {
  if (chop === 'whole') return 'at once'
  return chop === 'frames' ? 'frame by frame' : `${chop} octets at a time`
}

/** Takes the steps of the case, and waits for the end of the connection. */
async function converse (peer: Peer, { send, nonStrict, ...strict }: Case, chop: Chop): Promise<void> {
  const outcomes: readonly Outcome[] = [strict, ...nonStrict?.outcomes ?? []]
  let held = []
  for (const step of send) {
    if (Buffer.isBuffer(step)) held.push(step)
    else if (typeof step === 'object' && 'opcode' in step) held.push(...'compressed' in step ? await peer.compress(step) : [step])
    else {
      await peer.write(held, chop)
      held = []
      if (step === STILL_OPEN) {
        await peer.untilAtMost(FAST, () => peer.closeCode !== null)
        if (peer.closeCode === null && !peer.ended) peer.received.push(STILL_OPEN)
      } else {
        await peer.until(() => peer.received.length >= step.received)
      }
      if (peer.closeCode !== null || peer.ended) break
    }
  }
  await peer.write(held, chop)
  await peer.until(() => outcomes.some((outcome) => outcome.close === undefined && hasReceived(peer, outcome)))
  if (outcomes.some((outcome) => outcome.close === undefined)) await peer.write([close(1000)], 'whole')
  await peer.until(() => false) // the server ends the connection first (RFC 6455, section 7.1.1)
}

function judge (peer: Peer, test: Case): Result {
  if (peer.violation !== null) return { verdict: 'failed', detail: peer.violation.message }
  if (isOutcome(peer, test)) return { verdict: 'passed', detail: '' }
  const { nonStrict } = test
  if (nonStrict?.outcomes.some((outcome) => isOutcome(peer, outcome))) return { verdict: 'non-strict', detail: nonStrict.why }
  return { verdict: 'failed', detail: describe(peer) }
}

function isOutcome (peer: Peer, outcome: Outcome): boolean {
  const { refusal, extensions = '', close = [1000] } = outcome
  if (peer.answer.refusal !== refusal || !agrees(peer.answer.extensions, extensions)) return false
  return refusal !== undefined || (hasReceived(peer, outcome) && peer.closeCode !== null && close.includes(peer.closeCode))
}

function hasReceived ({ received }: Peer, { receive }: Outcome): boolean {
  return received.length === receive.length && received.every((one, n) => isSame(one, receive[n]))
}

function isSame (one: Received, other: Received): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other
  return one.opcode === other.opcode && one.payload.equals(other.payload)
}

/** Whether the headers name the same extension. The parameters may stand in any order. */
function agrees (extensions: string, expected = ''): boolean {
  const parts = (header: string): string => header.split('; ').sort().join('; ')
  return parts(extensions) === parts(expected)
}

function describe ({ answer, received, closeCode }: Peer): string {
  if (answer.refusal !== undefined) return `refused with ${answer.refusal}`
  const events = received.map((one) => typeof one === 'string' ? one : `opcode ${one.opcode}: ${one.payload.length} octets`)
  return [`extensions '${answer.extensions}'`, ...events.slice(0, 5), closeCode === null ? 'no close frame' : `close ${closeCode}`].join(', ')
}
