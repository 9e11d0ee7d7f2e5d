import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { createApp, listen } from '../helpers/app'
import { BytePeer, injected, overTcp } from '../helpers/byte-peer'
import { promptly } from '../helpers/fuzz'
import { clientFrame, CONTINUATION, PING, PONG, TEXT } from '../helpers/frames'
import { upgradeRequest } from '../helpers/tcp'
import { closeFrame, type Session } from './world'

/*
 * Both sides of a connection act at the same time, and neither side waits for the other. So the outcome is uncertain, but
 * some rules hold for every outcome. The tests check these rules. Each side numbers its messages.
 */

type Wait = { wait: number }
type ServerDo = Wait | { send: number } | { receive: 'plain' | 'next' | 'abort' | number, isAwaited: boolean } | { close: number }
type ClientDo = Wait | { message: number, parts: number, split: number } | { ping: true } | { reads: boolean }

const HIGH_WATER_MARKS = [1, 300, 65_536]

export interface Race {
  transport: 'tcp' | 'injected'
  highWaterMark: number
  server: ServerDo[]
  client: ClientDo[]
  clientLeaves: 'close' | 'end' | 'reset'
}

const lengths = fc.constantFrom(5, 20, 200, 2_000, 20_000)
const waits = fc.record({ wait: fc.nat(8) })
const parts = fc.double({ min: 0, max: 1, noNaN: true })

export const races = fc.record<Race>({
  transport: fc.constantFrom('tcp', 'injected'),
  highWaterMark: fc.constantFrom(...HIGH_WATER_MARKS),
  server: fc.array(fc.oneof(
    { weight: 12, arbitrary: fc.record({ send: lengths }) },
    { weight: 20, arbitrary: fc.record({ receive: fc.constantFrom<('plain' | 'next' | 'abort' | number)[]>('plain', 'plain', 'next', 'abort', 0, 1, 3), isAwaited: fc.boolean() }) },
    { weight: 10, arbitrary: waits },
    { weight: 1, arbitrary: fc.record({ close: fc.constantFrom(1000, 4001) }) }
  ), { maxLength: 40, size: 'max' }),
  client: fc.array(fc.oneof(
    { weight: 10, arbitrary: fc.record({ message: lengths, parts: fc.integer({ min: 1, max: 3 }), split: parts }) },
    { weight: 1, arbitrary: fc.constant<ClientDo>({ ping: true }) },
    { weight: 3, arbitrary: fc.record({ reads: fc.boolean() }) },
    { weight: 5, arbitrary: waits }
  ), { maxLength: 40, size: 'max' }),
  clientLeaves: fc.constantFrom('close', 'close', 'end', 'reset')
})

function numbered (n: number, length: number): string {
  return `${n} `.padEnd(length, 'é')
}

async function turns (count: number): Promise<void> {
  for (let n = 0; n < count; n++) await setImmediate()
}

/** The server's side of a connection, and what happened there. */
class ServerSide {
  /** For each `receive`, in their order: the number of its message, or the name of its error. */
  readonly received: (number | string)[] = []
  /** How many messages were sent while the connection was open. */
  sent = 0
  /** Whether the server has called `close`. After the call, it receives no more messages. */
  hasClosed = false
  /** Whether the server closed before the client did. */
  hasClosedFirst = false
  closed = 0
  end: number | null = null
  aborted = 0
  readonly sends: Promise<unknown>[] = []

  constructor (readonly ws: Session) {
    ws.signal.addEventListener('abort', () => this.aborted++)
    ws.closed.then(({ code }) => {
      this.closed++
      this.end = code
    })
  }

  async run (actions: ServerDo[]): Promise<void> {
    const receives: Promise<void>[] = []
    const messages = this.ws.messages()
    for (const action of actions) {
      if ('wait' in action) await turns(action.wait)
      else if ('send' in action) await this.#send(action.send)
      else if ('close' in action) this.#close(action.close)
      else {
        const receive = this.#receive(action.receive, messages)
        receives.push(receive)
        if (action.isAwaited) await receive
      }
    }
    await Promise.all(receives)
    while (this.received.at(-1) !== 'WebSocketDisconnect') await this.#receive('plain', messages)
  }

  async #send (length: number): Promise<void> {
    const { ws } = this
    const sending = ws.send(numbered(this.sent, length))
    if (ws.state === 'open') this.sent++
    const outcome = sending.then(() => null, (error) => error.name)
    this.sends.push(outcome)
    await outcome
  }

  #close (code: number): void {
    if (this.ws.state === 'open') this.hasClosedFirst = true
    this.hasClosed = true
    this.ws.close(code)
  }

  async #receive (how: 'plain' | 'next' | 'abort' | number, messages: AsyncIterator<string>): Promise<void> {
    const place = this.received.push('waits') - 1
    try {
      this.received[place] = parseInt(await this.#message(how, messages))
    } catch (error: any) {
      this.received[place] = error.name ?? error
    }
  }

  #message (how: 'plain' | 'next' | 'abort' | number, messages: AsyncIterator<string>): Promise<string> {
    if (how === 'plain') return this.ws.receive()
    if (typeof how === 'number') return this.ws.receive({ timeout: how })
    if (how === 'next') return messages.next().then(({ done, value }) => done === true ? this.ws.receive() : value)
    const controller = new AbortController()
    turns(2).then(() => controller.abort('abort'))
    return this.ws.receive({ signal: controller.signal })
  }
}

/** The client's side of a connection. */
class ClientSide {
  sent = 0
  #hasClosed = false

  constructor (readonly peer: BytePeer) {
    peer.onSent = (sent) => {
      if (this.#hasClosed) return
      if ('ping' in sent) peer.write(clientFrame(PONG, sent.ping))
      if ('close' in sent) this.#close(sent.close)
    }
  }

  get received (): number[] {
    return this.peer.sent.flatMap((sent) => 'message' in sent ? parseInt(String(sent.message)) : [])
  }

  get hasSeenClose (): boolean {
    return this.peer.sent.some((sent) => 'close' in sent)
  }

  async run (actions: ClientDo[], leaves: Race['clientLeaves']): Promise<void> {
    for (const action of actions) {
      if ('wait' in action) await turns(action.wait)
      else if (this.#hasClosed) continue
      else if ('ping' in action) this.peer.write(clientFrame(PING, ''))
      else if ('message' in action) await this.#send(action.message, action.parts, action.split)
      else if (action.reads) this.peer.resume()
      else this.peer.pause()
    }
    this.peer.resume()
    if (leaves === 'reset') this.peer.reset()
    else if (leaves === 'end') this.peer.end()
    else this.#close(4002)
  }

  // Sends the message in fragments, in two writes.
  async #send (length: number, parts: number, split: number): Promise<void> {
    const data = Buffer.from(numbered(this.sent++, length))
    const size = Math.ceil(data.length / parts)
    const frames = Array.from({ length: parts }, (_, n) => clientFrame(n === 0 ? TEXT : CONTINUATION, data.subarray(n * size, (n + 1) * size), n === parts - 1))
    const bytes = Buffer.concat(frames)
    const at = Math.floor(split * bytes.length)
    this.peer.write(bytes.subarray(0, at))
    this.peer.write(bytes.subarray(at))
  }

  #close (code: number): void {
    if (this.#hasClosed) return
    this.#hasClosed = true
    this.peer.write(closeFrame(code, ''))
  }
}

/** An app that runs races, one after the other. */
export class RaceTrack {
  readonly app: FastifyInstance
  onSession: (ws: Session) => Promise<void> = async () => {}

  static async open (t: Test): Promise<RaceTrack> {
    const track = new RaceTrack(await createApp(t))
    for (const mark of HIGH_WATER_MARKS) {
      track.app.get(`/${mark}`, { websocket: { receiveHighWaterMark: mark, sendHighWaterMark: mark } }, async (ws) => await track.onSession(await ws.accept() as never))
    }
    await listen(track.app)
    return track
  }

  private constructor (app: FastifyInstance) {
    this.app = app
  }

  /** Runs a race, and throws if a rule does not hold. */
  async run (race: Race): Promise<void> {
    const peer = await BytePeer.connect(this.app, race.transport === 'tcp' ? overTcp : injected)
    const client = new ClientSide(peer)
    let server: ServerSide | undefined
    let hasEnded = false
    this.onSession = async (ws) => {
      server = new ServerSide(ws)
      await server.run(race.server)
      hasEnded = true
    }
    try {
      peer.write(upgradeRequest(`/${race.highWaterMark}`))
      await promptly(() => client.peer.head !== '', () => 'the handshake is not answered')
      await client.run(race.client, race.clientLeaves)
      await promptly(() => hasEnded, () => `the handler does not end: ${String(server?.received)}`)
      await peer.over()
      await promptly(() => this.app.websockets.size === 0, () => 'the session has not ended')
      await turns(2)
      judge(race, server!, client, await Promise.all(server!.sends))
    } finally {
      peer.reset()
      server?.ws.terminate()
    }
  }
}

const ERRORS = ['WebSocketDisconnect', 'WebSocketTimeoutError', 'abort']

function judge (race: Race, server: ServerSide, client: ClientSide, sends: unknown[]): void {
  if (client.peer.violation !== null) throw client.peer.violation
  const taken = server.received.filter((received) => typeof received === 'number')
  const errors = server.received.filter((received) => typeof received === 'string')
  const isWhole = race.clientLeaves !== 'reset' && !server.hasClosed
  mustCount('the server', taken, client.sent, isWhole)
  mustCount('the client', client.received, server.sent, client.hasSeenClose && server.hasClosedFirst)
  must(errors.every((name) => ERRORS.includes(name)), `receive: ${String(errors)}`)
  must(sends.every((name) => name === null || name === 'WebSocketDisconnect'), `send: ${String(sends)}`)
  if (!server.hasClosed) must(server.end === (race.clientLeaves === 'close' ? 4002 : 1006), `the end: ${String(server.end)}`)
  must(server.closed === 1 && server.aborted === 1, `closed resolved ${server.closed} times, signal aborted ${server.aborted} times`)
}

/** Throws unless `numbers` are those of the first messages sent, in order. With `isWhole`, none may be missing. */
function mustCount (who: string, numbers: number[], sent: number, isWhole: boolean): void {
  must(numbers.every((number, n) => number === n), `${who} has received ${String(numbers)}`)
  must(isWhole ? numbers.length === sent : numbers.length <= sent, `${who} has received ${numbers.length} of ${sent}`)
}

function must (condition: boolean, message: string): void {
  if (!condition) throw new Error(message)
}
