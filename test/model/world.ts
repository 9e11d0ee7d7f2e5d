import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import type { WebSocketSession } from '../../types/session'
import { createApp, listen } from '../helpers/app'
import { BytePeer, injected, overTcp, type Sent } from '../helpers/byte-peer'
import { promptly } from '../helpers/fuzz'
import { collectLogs, INFO, type LogLine } from '../helpers/logs'
import { clientFrame, CLOSE, closePayload, PONG } from '../helpers/frames'
import { upgradeRequest } from '../helpers/tcp'
import { MAX_PAYLOAD, Model, show, showEnd, type Call, type End, type ModelSetting, type Said } from './model'

export type Session = WebSocketSession<any, any, any, any, any>

/** The settings of one connection. */
export interface Setting extends ModelSetting {
  transport: 'tcp' | 'injected'
  /** Whether the connection is open from the first step on. If there is an `onConnect`, it has then ended, too. */
  acceptsAtOnce: boolean
  /** Whether the test reads `closed` and `signal` at the start. */
  asksEarly: boolean
  /** How the client leaves at the end of the test, if it is still there. */
  leaves: 'end' | 'reset'
}

/** The functions that settle the promise of a handler. */
export interface Settle { resolve: () => void, reject: (error: unknown) => void }

function ending (begin: (settle: Settle) => void): Promise<void> {
  return new Promise((resolve, reject) => begin({ resolve, reject }))
}

/** The app of a test, which serves its connections one after the other. */
export class Server {
  readonly app: FastifyInstance
  readonly lines: LogLine[]
  onSession: (ws: Session, handler: Settle) => void = () => {}
  onMessage: (data: unknown, handler: Settle) => void = () => {}
  onDisconnect: (info: End) => void = () => {}

  static async start (t: Test): Promise<Server> {
    const { lines, serverOptions } = collectLogs('info')
    const app = await createApp(t, { closeTimeout: 60_000, maxPayload: MAX_PAYLOAD }, serverOptions)
    const server = new Server(app, lines)
    const handler = (ws: Session): Promise<void> => ending((settle) => server.onSession(ws, settle))
    for (const catchDisconnect of [true, false]) {
      for (const refusal of ['http', 'close'] as const) {
        const websocket = { catchDisconnect, refusal, handshakeTimeout: 60_000 }
        app.websocket(`/${catchDisconnect}/${refusal}/false`, { websocket }, handler)
        app.websocket(`/${catchDisconnect}/${refusal}/true`, {
          websocket: {
            ...websocket,
            onConnect: handler,
            onMessage: (_, data) => ending((settle) => server.onMessage(data, settle)),
            onDisconnect: (_, info) => server.onDisconnect(info)
          }
        })
      }
    }
    await listen(app)
    return server
  }

  private constructor (app: FastifyInstance, lines: LogLine[]) {
    this.app = app
    this.lines = lines
  }

  /** The number of lines with errors in the log. */
  get errors (): number {
    return this.lines.filter(({ level, err }) => err !== undefined && level >= INFO).length
  }
}

/** A real connection and its model. */
export class World {
  readonly model: Model
  readonly server: Server
  readonly peer: BytePeer
  readonly ws: Session
  readonly handler: Settle
  readonly setting: Setting
  readonly actual = new Map<Call, string>()
  readonly reasons = new Map<Call, unknown>()
  /** Calls with a signal, and their controllers. */
  readonly aborts: [Call, AbortController][] = []
  readonly iterators = new Map<string, AsyncIterator<unknown>>()
  /** The rest of a frame whose beginning was sent. */
  rest: Buffer = Buffer.alloc(0)
  /** Settles the promise of the `onMessage` that is at work. */
  message: Settle | null = null
  readonly #handled: string[] = []
  readonly #disconnected: string[] = []
  #aborted = 0
  #closed = 0
  #end: string | null = null
  #hasClosed = false
  #side: 'server' | 'client' = 'server'
  readonly #errors: number

  static async connect (server: Server, setting: Setting): Promise<World> {
    const peer = await BytePeer.connect(server.app, setting.transport === 'tcp' ? overTcp : injected)
    const begun = new Promise<[Session, Settle]>((resolve) => {
      server.onSession = (ws, handler) => resolve([ws, handler])
    })
    peer.write(upgradeRequest(`/${setting.catchDisconnect}/${setting.refusal}/${setting.hasSessionHandlers}`))
    const [ws, handler] = await begun
    await setImmediate()
    const world = new World(server, setting, peer, ws, handler)
    if (setting.acceptsAtOnce) {
      const call = world.model.call('accept')
      world.model.accept(call, true)
      world.track(call, ws.accept())
      if (setting.hasSessionHandlers) {
        world.model.return()
        handler.resolve()
      }
    }
    return world
  }

  private constructor (server: Server, setting: Setting, peer: BytePeer, ws: Session, handler: Settle) {
    this.model = new Model(setting)
    this.server = server
    this.setting = setting
    this.peer = peer
    this.ws = ws
    this.handler = handler
    this.#errors = server.errors
    server.onMessage = (data, settle) => {
      this.#handled.push(show(data))
      this.message = settle
    }
    server.onDisconnect = (info) => this.#disconnected.push(showEnd(info))
    peer.onSent = (sent) => this.#answer(sent)
    if (setting.asksEarly) this.#ask()
  }

  /** Sets the side that acts. When the side changes, the data under way arrives first. */
  async turn (side: 'server' | 'client'): Promise<void> {
    if (this.#side !== side) await this.settle()
    this.#side = side
  }

  /** Records the outcome of a call. */
  track (call: Call, promise: Promise<unknown>, name: (value: unknown) => string = show): void {
    promise.then(
      (value) => { this.actual.set(call, value === this.ws ? 'session' : name(value)) },
      (error) => {
        this.reasons.set(call, error)
        this.actual.set(call, error?.name === 'WebSocketDisconnect' ? showEnd({ ...error, code: error.closeCode }) : error?.name ?? String(error))
      })
  }

  /** Lets all data under way arrive, and resolves when the connection matches the model. */
  async settle (): Promise<void> {
    this.model.move()
    await promptly(() => this.#misfit() === null && this.peer.isRead, () => this.#misfit() ?? 'the server does not read')
    await setImmediate()
    await setImmediate()
    const misfit = this.#misfit()
    if (misfit !== null) throw new Error(misfit)
  }

  /** Lets the client leave and the handler end, and checks that all is over. */
  async finish (): Promise<void> {
    const { model, peer } = this
    await this.settle()
    model.clientReads = true
    peer.resume()
    await this.settle()
    if (model.isServerThere && model.isClientThere) this.say(this.setting.leaves === 'end' ? { end: true } : { reset: true })
    await this.settle()
    if (!model.handlerEnded) {
      model.return()
      this.handler.resolve()
    }
    await this.settle()
    while (model.isHandling) {
      model.returnMessage()
      this.message!.resolve()
      await this.settle()
    }
    if (!this.setting.asksEarly) this.#ask()
    await this.settle()
    await peer.over()
    const late = model.calls.find((call) => call.waits || !this.actual.has(call))
    if (late !== undefined) throw new Error(`${late.name} waits after the end`)
    if (this.#aborted !== 1 && this.setting.asksEarly) throw new Error(`signal has aborted ${this.#aborted} times`)
    if (this.#closed !== 1) throw new Error(`closed has resolved ${this.#closed} times`)
    if (!this.ws.signal.aborted) throw new Error('signal is not aborted')
    const errors = this.server.errors - this.#errors
    if (errors !== model.errors) throw new Error(`${errors} errors in the log, not ${model.errors}: ${JSON.stringify(this.server.lines.slice(-3))}`)
  }

  /** Ends what is left of the connection. */
  abandon (): void {
    this.peer.reset()
    this.ws.terminate()
    this.handler.resolve()
    this.message?.resolve()
    this.server.onMessage = (_, { resolve }) => resolve()
  }

  /** The client sends something, in the model and in reality. */
  say (said: Said, bytes?: Buffer): void {
    this.model.say(said)
    if ('close' in said) this.#hasClosed = true
    if ('end' in said) this.peer.end()
    else if ('reset' in said) this.peer.reset()
    else this.peer.write(bytes!)
  }

  // The real client answers as the model's client does.
  #answer (sent: Sent): void {
    if (this.#hasClosed || this.model.isTerminated || this.rest.length > 0) return
    if ('ping' in sent) this.peer.write(clientFrame(PONG, sent.ping))
    if ('close' in sent && this.setting.answersClose) {
      this.#hasClosed = true
      this.peer.write(closeFrame(sent.close, sent.reason))
    }
  }

  #ask (): void {
    this.ws.signal.addEventListener('abort', () => { this.#aborted++ })
    this.ws.closed.then(({ code, reason, wasClean }) => {
      this.#closed++
      this.#end = showEnd({ code, reason, wasClean })
    })
  }

  /** Returns what differs from the model so far. Throws for a difference that cannot go away. */
  #misfit (): string | null {
    const { model, ws, peer } = this
    if (peer.violation !== null) throw peer.violation
    for (const call of model.calls) {
      const actual = this.actual.get(call) ?? null
      if (actual === call.expected) continue
      const difference = `${call.name}: ${actual ?? 'waits'}, not ${call.expected ?? 'waiting'}`
      if (actual !== null) throw new Error(difference)
      return difference
    }
    const seen = show(peer.sent)
    if (seen !== show(model.seen)) return `the client has seen ${seen}, not ${show(model.seen)}`
    if (show(this.#handled) !== show(model.handled)) return `onMessage was called with ${show(this.#handled)}, not ${show(model.handled)}`
    if (show(this.#disconnected) !== show(model.disconnected)) return `onDisconnect was called with ${show(this.#disconnected)}, not ${show(model.disconnected)}`
    if (ws.state !== model.state) return `${ws.state}, not ${model.state}`
    const isOpen = model.accepted && model.end === null
    if (this.server.app.websockets.size !== Number(isOpen)) return `app.websockets has ${this.server.app.websockets.size} sessions`
    if (this.setting.asksEarly && ws.signal.aborted !== (model.end !== null)) return `signal is ${ws.signal.aborted ? '' : 'not '}aborted`
    if (model.end !== null && this.#end !== null && this.#end !== showEnd(model.end)) throw new Error(`closed: ${this.#end}, not ${showEnd(model.end)}`)
    return null
  }
}

/** A close frame from a client. 1005 stands for a frame without a code. */
export function closeFrame (code: number, reason: string): Buffer {
  return clientFrame(CLOSE, code === 1005 ? '' : closePayload(code, reason))
}
