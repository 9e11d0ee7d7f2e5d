import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { connect } from '../../lib/client/client'
import { createApp, listen } from '../helpers/app'
import { BytePeer, injected, overTcp, type OpenStreams } from '../helpers/byte-peer'
import { check, promptly } from '../helpers/fuzz'
import { BINARY, clientFrame, CLOSE, closePayload, CONTINUATION, PING, TEXT } from '../helpers/frames'
import { frame, upgradeRequest } from '../helpers/tcp'
import { unhandledRejections } from '../helpers/unhandled'
import type { CloseInfo } from '../../types/message'
import type { Session } from '../model/world'

/* Bytes that arrive in pieces, and bytes that violate the protocol. */

/** The messages that a handler has received, and the end of the connection. */
interface Heard {
  messages: (string | Buffer)[]
  end: CloseInfo | null
}

/** An app whose handlers receive all messages, and one correct client beside the tested ones. */
class Target {
  readonly app: FastifyInstance
  readonly heard: Heard[] = []
  /** The handler of `/late` accepts when the gate resolves. */
  gate: Promise<void> = Promise.resolve()
  #running = 0
  #witness!: Awaited<ReturnType<typeof connect>>
  #asked = 0
  #resources: string[] = []

  static async open (t: Test): Promise<Target> {
    const target = new Target(await createApp(t, { maxPayload: 4096, perMessageDeflate: true }))
    const { app } = target
    app.websocket('/', async (ws) => await target.#listen(ws))
    app.websocket('/late', async (ws) => {
      await target.gate
      await target.#listen(ws)
    })
    app.websocket('/witness', async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
    const port = await listen(app)
    target.#witness = await connect(`ws://127.0.0.1:${port}/witness`)
    t.teardown(() => target.#witness.terminate())
    await target.isWell()
    target.#resources = resources()
    return target
  }

  private constructor (app: FastifyInstance) {
    this.app = app
  }

  /** Checks that the correct client still gets its answer. */
  async isWell (): Promise<void> {
    const answer = await this.#witness.pair(++this.#asked, { type: 'integer', timeout: 5_000 })
    if (answer !== this.#asked) throw new Error(`the other connection has received ${String(answer)}`)
  }

  /** Checks that no socket, timer, session or handler of the tested connections is left. */
  async isClean (t: Test): Promise<void> {
    await promptly(() => this.#leftovers() === '', () => this.#leftovers())
    const begin = Date.now()
    await Promise.all([this.#witness.closed, this.app.close()])
    const time = Date.now() - begin
    if (time > 1_000) throw new Error(`close() took ${time} ms: it has waited, although nothing was open`)
    t.pass('nothing is left')
  }

  #leftovers (): string {
    const { app } = this
    const now = resources()
    return [
      this.#running === 0 ? '' : `${this.#running} handlers run`,
      app.websockets.size === 1 ? '' : `${app.websockets.size - 1} sessions are open`,
      String(now) === String(this.#resources) ? '' : `${String(now)} is active, before it was ${String(this.#resources)}`
    ].filter((text) => text !== '').join(', ')
  }

  async #listen (ws: Session): Promise<void> {
    const heard: Heard = { messages: [], end: null }
    this.#running++
    try {
      await ws.accept()
      this.heard.push(heard)
      ws.send('hello') // fails if the client has closed already
      for await (const message of ws.messages('any')) heard.messages.push(message)
    } finally {
      heard.end = await ws.closed
      this.#running--
    }
  }
}

/** The resources that keep the process alive. */
function resources (): string[] {
  return process.getActiveResourcesInfo().filter((name) => name !== 'Immediate').sort()
}

/** Writes `bytes` in pieces. Writes each piece when the server has read the one before. */
async function writeInPieces (peer: BytePeer, bytes: Buffer, cuts: number[]): Promise<void> {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  let start = 0
  for (const end of ends) {
    peer.write(bytes.subarray(start, end))
    await peer.read()
    start = end
  }
}

t.test('a conversation in pieces', async (t) => {
  const frames = Buffer.concat([
    frame('grüße €'),
    clientFrame(TEXT, Buffer.from('€').subarray(0, 1), false),
    clientFrame(PING, 'ping'),
    clientFrame(CONTINUATION, Buffer.from('€').subarray(1, 2), false),
    clientFrame(CONTINUATION, Buffer.from('€').subarray(2)),
    frame(Buffer.alloc(130, 1)),
    frame(''),
    clientFrame(BINARY, 'end'),
    clientFrame(CLOSE, closePayload(4001, 'bye'))
  ])
  const heard: Heard = {
    messages: ['grüße €', '€', Buffer.alloc(130, 1), '', Buffer.from('end')],
    end: { code: 4001, reason: 'bye', wasClean: true }
  }
  const sent = [{ response: 101 }, { message: 'hello' }, { pong: 'ping' }, { close: 4001, reason: 'bye' }, { end: true }]

  /** Runs the conversation, and throws if either side has received anything else than expected. */
  async function converse (target: Target, openStreams: OpenStreams, path: string, cuts: number[], onPiece?: () => void): Promise<void> {
    const peer = await BytePeer.connect(target.app, openStreams)
    try {
      const bytes = Buffer.concat([Buffer.from(upgradeRequest(path)), frames])
      for (const [n, cut] of [...cuts, bytes.length].entries()) {
        peer.write(bytes.subarray(cuts[n - 1] ?? 0, cut))
        await peer.read()
        onPiece?.()
      }
      await peer.over()
      await promptly(() => target.heard[0]?.end != null, () => 'the handler does not end')
      if (peer.violation !== null) throw peer.violation
      // The server's first message may come after the pong.
      const order = (list: object[]): string => JSON.stringify(list.map((item) => JSON.stringify(item)).sort())
      const received = target.heard.pop()
      if (JSON.stringify(received) !== JSON.stringify(heard)) throw new Error(`the handler has received ${JSON.stringify(received)}`)
      if (order(peer.sent.filter((item) => !('message' in item))) !== order(sent.filter((item) => !('message' in item)))) throw new Error(`the server has sent ${JSON.stringify(peer.sent)}`)
    } finally {
      target.heard.length = 0
      peer.reset()
    }
  }

  const length = upgradeRequest('/').length + frames.length
  const lines: [name: string, openStreams: OpenStreams][] = [['over TCP', overTcp], ['injected', injected]]
  for (const [name, openStreams] of lines) {
    t.test(`a conversation in two pieces, split anywhere, has the same result as in one piece, ${name}`, async (t) => {
      const target = await Target.open(t)
      for (let at = 0; at < length; at++) {
        await converse(target, openStreams, '/', [at]).catch((error) => t.fail(`split at ${at}: ${error.message}`))
      }
      await target.isClean(t)
    })

    t.test(`a conversation in two pieces has the same result if the handler accepts between them, ${name}`, async (t) => {
      const target = await Target.open(t)
      for (let at = upgradeRequest('/late').length; at < length; at++) {
        let open!: () => void
        target.gate = new Promise((resolve) => { open = resolve })
        await converse(target, openStreams, '/late', [at], () => open()).catch((error) => t.fail(`split at ${at}: ${error.message}`))
      }
      await target.isClean(t)
    })

    t.test(`a conversation in any number of pieces has the same result, whenever the handler accepts, ${name}`, async (t) => {
      const target = await Target.open(t)
      const pieces = fc.tuple(fc.array(fc.nat(length), { maxLength: 30, size: 'max' }), fc.nat(30))
      await check(t, pieces, async ([cuts, answeredAfter]) => {
        let open!: () => void
        target.gate = new Promise((resolve) => { open = resolve })
        let count = 0
        const sorted = [...cuts].sort((a, b) => a - b)
        await converse(target, openStreams, '/late', sorted, () => {
          if (++count > Math.min(answeredAfter, sorted.length)) open()
        })
      }, { standard: 150, limit: 1_500 })
      await target.isClean(t)
    })
  }

  t.end()
})

t.test('after bytes that violate the protocol, the connection ends and the app goes on', async (t) => {
  const noise = fc.uint8Array({ maxLength: 400, size: 'max' }).map((bytes) => Buffer.from(bytes))
  /** Frames whose headers have random values. */
  const frames = fc.array(fc.record({
    first: fc.nat(255),
    isMasked: fc.constantFrom(true, true, true, false),
    length: fc.oneof(fc.nat(300), fc.constantFrom(125, 126, 127, 4096, 4097, 65_536)),
    claims: fc.oneof(fc.constant(null), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  }), { maxLength: 6 }).map((list) => Buffer.concat(list.map(({ first, isMasked, length, claims }) => frameLike(first, isMasked, Buffer.alloc(Math.min(length, 5_000), 'é'), claims ?? BigInt(length)))))
  const bytes = fc.oneof(noise, frames)

  const begun = clientFrame(TEXT, 'the beginning', false)
  /** What the client sends before, and whether the test waits for the response to the handshake. */
  const stages: [name: string, before: Buffer[], isOpen: boolean][] = [
    ['before a request', [], false],
    ['within the request', [Buffer.from(upgradeRequest('/').slice(0, 60))], false],
    ['before the handshake is answered', [Buffer.from(upgradeRequest('/late'))], false],
    ['right after the request', [Buffer.from(upgradeRequest('/'))], false],
    ['when the connection is open', [Buffer.from(upgradeRequest('/'))], true],
    ['when compression has been agreed on', [Buffer.from(upgradeRequest('/', { headers: { 'sec-websocket-extensions': 'permessage-deflate' } }))], true],
    ['within a frame', [Buffer.from(upgradeRequest('/')), frame('a frame').subarray(0, 9)], true],
    ['within a message', [Buffer.from(upgradeRequest('/')), begun], true],
    ['after a close frame', [Buffer.from(upgradeRequest('/')), clientFrame(CLOSE, closePayload(1000))], true]
  ]

  const leaving = fc.constantFrom<('end' | 'reset')[]>('end', 'reset')
  const conversations = fc.record({ bytes, cuts: fc.array(fc.nat(2_000), { maxLength: 4 }), leaving, isInjected: fc.constantFrom(false, false, true) })

  for (const [name, before, isOpen] of stages) {
    t.test(name, async (t) => {
      const target = await Target.open(t)
      t.same(await unhandledRejections(() => check(t, conversations, async ({ bytes, cuts, leaving, isInjected }) => {
        await sendAndLeave(target, isInjected ? injected : overTcp, leaving, async (peer) => {
          let open!: () => void
          target.gate = new Promise((resolve) => { open = resolve })
          for (const part of before) {
            peer.write(part)
            if (isOpen) await promptly(() => peer.head !== '', () => 'the handshake is not answered')
          }
          await writeInPieces(peer, bytes, cuts)
          open()
        })
      }, { standard: 300, limit: 700 })), [])
      await target.isClean(t)
    })
  }

  t.test('changed bytes in a valid conversation', async (t) => {
    const target = await Target.open(t)
    const conversation = Buffer.concat([
      Buffer.from(upgradeRequest('/')),
      frame('one'), clientFrame(PING, 'ping'), clientFrame(TEXT, 'tw', false), clientFrame(CONTINUATION, 'o'), frame(Buffer.alloc(200, 3)),
      clientFrame(CLOSE, closePayload(4001, 'bye'))
    ])
    const at = fc.nat(conversation.length - 1)
    const faults = fc.oneof<fc.Arbitrary<(bytes: Buffer) => Buffer>[]>(
      fc.tuple(at, fc.nat(7)).map(([at, bit]) => named(`bit ${bit} of byte ${at} is flipped`, (bytes) => {
        const copy = Buffer.from(bytes)
        copy[at] ^= 1 << bit
        return copy
      })),
    fc.tuple(at, fc.integer({ min: 1, max: 20 })).map(([at, count]) => named(`${count} bytes are missing at ${at}`, (bytes) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]))),
    fc.tuple(at, fc.integer({ min: 1, max: 60 })).map(([at, count]) => named(`${count} bytes come twice at ${at}`, (bytes) => Buffer.concat([bytes.subarray(0, at + count), bytes.subarray(at)]))),
    fc.tuple(at, noise).map(([at, noise]) => named(`${noise.toString('hex')} comes at ${at}`, (bytes) => Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]))),
    at.map((at) => named(`it ends at ${at}`, (bytes) => bytes.subarray(0, at)))
    )
    const faulty = fc.record({ faults: fc.array(faults, { minLength: 1, maxLength: 4 }), cuts: fc.array(fc.nat(500), { maxLength: 4 }), leaving, isInjected: fc.constantFrom(false, false, true) })
    t.same(await unhandledRejections(() => check(t, faulty, async ({ faults, cuts, leaving, isInjected }) => {
      const bytes = faults.reduce<Buffer>((bytes, fault) => fault(bytes), conversation)
      await sendAndLeave(target, isInjected ? injected : overTcp, leaving, (peer) => writeInPieces(peer, bytes, cuts))
    }, { standard: 1_500, limit: 3_000 })), [])
    await target.isClean(t)
  })

  t.end()
})

/** Lets a client send bytes and leave. Checks that its connection ends, and that the correct client still gets its answer. */
async function sendAndLeave (target: Target, openStreams: OpenStreams, leaving: 'end' | 'reset', say: (peer: BytePeer) => Promise<void>): Promise<void> {
  const peer = await BytePeer.connect(target.app, openStreams)
  try {
    await say(peer)
    if (leaving === 'end') peer.end()
    else peer.reset()
    await peer.over()
    if (peer.violation !== null) throw peer.violation
    const { response } = peer.sent[0] as { response?: number } ?? {}
    if (response !== undefined && response >= 500) throw new Error(`the server has answered ${response}: ${peer.head}`)
    await target.isWell()
  } finally {
    peer.reset()
  }
}

/** A frame with this first byte and this length in its header, whatever its payload is. */
function frameLike (first: number, isMasked: boolean, payload: Buffer, claims: bigint): Buffer {
  const mask = isMasked ? 0x80 : 0
  const header = Buffer.alloc(claims < 126n ? 2 : claims < 65_536n ? 4 : 10)
  header[0] = first
  header[1] = mask | (claims < 126n ? Number(claims) : claims < 65_536n ? 126 : 127)
  if (header.length === 4) header.writeUInt16BE(Number(claims), 2)
  if (header.length === 10) header.writeBigUInt64BE(claims, 2)
  return Buffer.concat([header, Buffer.alloc(isMasked ? 4 : 0, 0x5a), payload])
}

/** Gives `fault` the name that the report of a failure shows. */
function named (name: string, fault: (bytes: Buffer) => Buffer): (bytes: Buffer) => Buffer {
  return Object.assign(fault, { [fc.toStringMethod]: () => name })
}
