import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { collectLogs, DEBUG, ERROR, INFO, WARN, type LogLine } from '../helpers/logs'
import { connectPeer, type Peer } from '../helpers/peer'
import { refusedWith } from '../helpers/transport'
import { unhandledRejections } from '../helpers/unhandled'
import { until } from '../helpers/until'
import type WebSocket from 'ws'
import type { FastifyBaseLogger, FastifyInstance, FastifyServerOptions } from 'fastify'
import type { WebSocketPluginOptions } from '../../types/options'
import type { WebSocketSession } from '../../types/session'

/*
 * Tests every place in which code of the user runs, with every way in which the code can fail. The tests check how the
 * connection ends and what the app logs, and that the app and another connection still work. tap fails a test that causes
 * an uncaught exception.
 */

t.jobs = 6

// The ways to fail.

const error = (): Error => new Error('from the code of the user')

function revoked (): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const THROWN: Record<string, () => unknown> = {
  'an error': error,
  'a frozen error': () => Object.freeze(error()),
  'an error in a proxy': () => new Proxy(error(), {}),
  'a revoked proxy': revoked,
  'a proxy that throws': () => new Proxy({}, { get () { throw error() } }),
  undefined: () => undefined,
  null: () => null,
  'a string': () => 'from the code of the user',
  'a number': () => 5,
  'a symbol': () => Symbol('from the code of the user'),
  'a frozen object': () => Object.freeze({ a: 1 }),
  'an object without a prototype': () => Object.create(null)
}

/** One way to fail. */
interface Kind {
  name: string
  how: 'throws' | 'rejects' | 'never settles'
  what: string
  fail (): any
}

const KINDS: Kind[] = [
  ...Object.entries(THROWN).map(([what, make]): Kind => ({ name: `throws ${what}`, how: 'throws', what, fail () { throw make() } })),
  ...Object.entries(THROWN).map(([what, make]): Kind => ({ name: `rejects with ${what}`, how: 'rejects', what, fail: () => Promise.reject(make()) })),
  { name: 'never settles', how: 'never settles', what: '', fail: () => new Promise(() => {}) }
]

/** The ways in which a function fails that has to be synchronous: nothing awaits a promise that it returns. */
const SYNCHRONOUS = KINDS.filter(({ how }) => how === 'throws')

/** The ways in which a hook for responses fails here. Fastify sends anything else that the hook throws, which runs the hook again. */
const ERRORS = KINDS.filter(({ what }) => ['', 'an error', 'an error in a proxy'].includes(what))

/** Whether Fastify itself can handle the failure. It answers some of the others with 200, and some end the process. */
const fastifyHandles = ({ what }: Kind): boolean => !['a frozen error', 'a revoked proxy', 'a proxy that throws'].includes(what)

const kindOf = (url: string | undefined): Kind | undefined => KINDS[Number(url?.split('/')[1])]

// The places.

/** Fails in the way that `url` names. Returns undefined if `url` names no way to fail. */
type FailAt = (url: string | undefined) => any

interface Place {
  kinds?: Kind[]
  /** Options of the plugin that fail for the URLs of this place. */
  options?: (failAt: FailAt) => WebSocketPluginOptions
  /** Options of Fastify that fail for the URLs of this place. */
  server?: (failAt: FailAt) => FastifyServerOptions
  /** Adds a route at `url` that fails. */
  routes (app: FastifyInstance, url: string, fail: () => any): void
  /** Adds an HTTP route at `url` that fails in the same place. For each failure that Fastify can handle, its result is the expected one. */
  http?: (app: FastifyInstance, url: string, fail: () => any) => void
  /** Does what the client does when the connection is open. */
  act?: (socket: any) => void
  /** How the connection ends: `HTTP` and the status, or `close` and the code; `open` or `waits` if the connection does not end. */
  ends?: (kind: Kind) => string
  /** The levels of the lines that the app logs. */
  lines?: (kind: Kind) => number[]
  /** The levels of the lines that the app logs when it closes. */
  afterwards?: number[]
}

type Handler = (ws: WebSocketSession<any>) => any

const never = ({ how }: Kind): boolean => how === 'never settles'
const sends = (socket: WebSocket): void => socket.send('"x"')
const closes = (socket: WebSocket): void => socket.close(4000)
const breaks = (socket: any): void => socket._socket.write(Buffer.from([0xff, 0x80, 0, 0, 0, 0])) // no frame of RFC 6455
const accepts: Handler = async (ws) => { await ws.accept() }
const throws = (): never => { throw new Error('the first') }
const refuses: Handler = async (ws) => { await ws.deny(401, 'no') }

/** A failure after the handshake: the plugin closes the connection with 1011 and logs one error. */
const FAILED: Partial<Place> = {
  ends: (kind) => never(kind) ? 'open' : 'close 1011',
  lines: (kind) => never(kind) ? [] : [ERROR]
}

/** A failure after the client has closed the connection: the plugin logs one error. */
const LATE: Partial<Place> = { act: closes, ends: () => 'close 4000', lines: FAILED.lines }

/** A failure in a raw route: the plugin terminates the connection and logs one error. */
const RAW: Partial<Place> = { ends: (kind) => never(kind) ? 'open' : 'close 1006', lines: FAILED.lines }

/** A failure before the handler, in code that Fastify waits for: the client waits, as on an HTTP route, until it leaves or the app closes. */
const WAITS: Partial<Place> = { ends: () => 'waits', lines: () => [] }

/** A failure of the handler before the handshake, which `handshakeTimeout` bounds. */
const UNDECIDED: Partial<Place> = { ends: () => 'HTTP 503', lines: () => [ERROR] }

/** A place: a hook, as an option of a route. */
function hook (name: string, args: number, handler: Handler = accepts, http: (reply: any) => unknown = () => 'http'): Place {
  const options = (fail: () => any): any => ({ [name]: args === 2 ? (_a: any, _b: any) => fail() : (_a: any, _b: any, _c: any) => fail() })
  return {
    routes: (app, url, fail) => { app.websocket(url, options(fail), handler) },
    http: (app, url, fail) => { app.get(url, options(fail), async (_, reply) => http(reply)) },
    ...WAITS
  }
}

/** A place: code in a handler, after the handshake. */
function handler (run: (ws: WebSocketSession<any>, fail: () => any) => any, rest: Partial<Place> = {}): Place {
  return { routes: (app, url, fail) => { app.websocket(url, (ws) => run(ws, fail)) }, ...FAILED, ...rest }
}

function raw (run: (socket: any, fail: () => any) => any, rest: Partial<Place> = {}): Place {
  return { routes: (app, url, fail) => { app.get(url, { websocket: { raw: true } }, (socket) => run(socket, fail)) }, ...RAW, ...rest }
}

async function untilClosed (ws: WebSocketSession<any>, prepare: () => void): Promise<void> {
  await ws.accept()
  prepare()
  await ws.closed
}

const untilClosedByOthers: Handler = (ws) => untilClosed(ws, () => {})

const receive = { type: 'object' }

const PLACES: Record<string, Place> = {
  // Code that Fastify calls. The result is the same as on an HTTP route.
  'an onRequest hook': hook('onRequest', 2),
  'a preParsing hook': hook('preParsing', 3),
  'a preValidation hook': hook('preValidation', 2),
  'a preHandler hook': hook('preHandler', 2),
  'a preSerialization hook': {
    ...hook('preSerialization', 3, (ws) => ws.deny(401, { a: 1 }), (reply) => reply.code(401).send({ a: 1 })),
    kinds: ERRORS
  },
  'an onSend hook': { ...hook('onSend', 3, refuses, (reply) => reply.code(401).send('no')), kinds: ERRORS },
  'an onSend hook of an error': { ...hook('onSend', 3, throws, throws), kinds: ERRORS, lines: () => [ERROR] }, // the error is logged before the hook
  'an onError hook': hook('onError', 3, throws, throws),
  'an onResponse hook': { ...hook('onResponse', 2, refuses, (reply) => reply.code(401).send('no')), ends: () => 'HTTP 401', lines: () => [] },
  'an error handler (setErrorHandler)': {
    routes: (app, url, fail) => {
      app.register(async (child) => {
        child.setErrorHandler(() => fail())
        child.websocket(url, throws)
      })
    },
    http: (app, url, fail) => {
      app.register(async (child) => {
        child.setErrorHandler(() => fail())
        child.get(url, async () => throws())
      })
    },
    ...WAITS
  },
  'a not-found handler (setNotFoundHandler)': {
    routes: (app, prefix, fail) => { app.register(async (child) => { child.setNotFoundHandler(() => fail()) }, { prefix }) },
    http: (app, prefix, fail) => { app.register(async (child) => { child.setNotFoundHandler(() => fail()) }, { prefix }) },
    ...WAITS
  },
  'a validator of the query': {
    routes: (app, url, fail) => { app.websocket(url, { schema: { querystring: {} }, validatorCompiler: () => () => fail() }, accepts) },
    http: (app, url, fail) => { app.get(url, { schema: { querystring: {} }, validatorCompiler: () => () => fail() }, async () => 'http') },
    ...WAITS
  },
  'the handler, before accept': {
    routes: (app, url, fail) => { app.websocket(url, () => fail()) },
    http: (app, url, fail) => { app.get(url, async () => await fail()) },
    ...UNDECIDED
  },
  'the handler, before accept, with an error that Fastify cannot handle': {
    kinds: KINDS.filter((kind) => !fastifyHandles(kind)),
    routes: (app, url, fail) => { app.websocket(url, () => fail()) },
    ends: () => 'HTTP 500',
    lines: ({ what }) => what === 'a frozen error' ? [] : [ERROR] // the logger cannot write a frozen error
  },
  'onConnect, before accept': {
    routes: (app, url, fail) => { app.websocket(url, { onConnect: () => fail(), onMessage () {} }) },
    http: (app, url, fail) => { app.get(url, async () => await fail()) },
    ...UNDECIDED
  },
  'the headers of accept, a getter': {
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => { app.websocket(url, async (ws) => { await ws.accept({ get headers () { return fail() } }) }) },
    http: (app, url, fail) => { app.get(url, async () => await fail()) }
  },
  'the headers of accept, an iterator': {
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => { app.websocket(url, async (ws) => { await ws.accept({ headers: { [Symbol.iterator]: () => ({ next: fail, return: fail }) } }) }) },
    http: (app, url, fail) => { app.get(url, async () => await fail()) }
  },
  'the getter of a thenable that the handler returns, before accept': {
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => { app.websocket(url, () => ({ get then () { return fail() } })) },
    http: (app, url, fail) => { app.get(url, async () => await fail()) }
  },

  // Code that the plugin calls during the handshake.
  'the function origins': {
    options: (failAt) => ({ origins: (_, { url }) => failAt(url) ?? true }),
    routes: (app, url) => { app.websocket(url, accepts) },
    http: (app, url, fail) => { app.get(url, { onRequest: async () => await fail() }, async () => 'http') },
    ...WAITS
  },
  'the function origins of a route': {
    routes: (app, url, fail) => { app.websocket(url, { websocket: { origins: () => fail() } }, accepts) },
    http: (app, url, fail) => { app.get(url, { onRequest: async () => await fail() }, async () => 'http') },
    ...WAITS
  },
  rewriteUrl: {
    kinds: SYNCHRONOUS,
    server: (failAt) => ({ rewriteUrl: ({ url }) => failAt(url) ?? url }),
    routes () {},
    ends: () => 'HTTP 500',
    lines: () => [ERROR]
  },
  genReqId: {
    kinds: SYNCHRONOUS,
    server: (failAt) => ({ genReqId: ({ url }) => failAt(url) ?? 'an id' }),
    routes () {},
    ends: () => 'HTTP 500',
    lines: () => [ERROR]
  },
  "a listener to 'connection' of app.websocketServer": {
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => {
      app.websocketServer.setMaxListeners(0).on('connection', (_: any, request: any) => { if (request.url === url) fail() })
      app.get(url, { websocket: { raw: true } }, () => {})
    },
    ends: () => 'close 1006',
    lines: () => [ERROR]
  },
  "a listener to 'headers' of app.websocketServer": {
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => {
      app.websocketServer.setMaxListeners(0).on('headers', (_: any, request: any) => { if (request.url === url) fail() })
      app.get(url, { websocket: { raw: true } }, () => {})
    },
    ends: () => 'close 1006',
    lines: () => [ERROR]
  },

  // Handlers after their decision.
  'the handler, after deny': handler(async (ws, fail) => {
    await ws.deny(401, 'no')
    return fail()
  }, { ends: () => 'HTTP 401' }),
  'the payload of deny, toJSON': {
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => { app.websocket(url, async (ws) => { await ws.deny(401, { toJSON: fail }) }) },
    http: (app, url, fail) => { app.get(url, async (_, reply) => reply.code(401).send({ toJSON: fail })) }
  },
  'the handler, after accept': handler(async (ws, fail) => {
    await ws.accept()
    await ws.receive()
    return fail()
  }),
  'a handler that is not asynchronous, after accept': handler((ws, fail) => {
    ws.accept()
    return fail()
  }),
  'the getter of a thenable that the handler returns': handler((ws, fail) => {
    ws.accept()
    return { get then () { return fail() } }
  }, { kinds: SYNCHRONOUS }),
  'a thenable that the handler returns': handler((ws, fail) => {
    ws.accept()
    return { then: fail }
  }, { kinds: SYNCHRONOUS }),
  'a loop over messages': handler(async (ws, fail) => {
    await ws.accept()
    for await (const message of ws) if (message !== '') await fail()
  }),
  'the handler of autoAccept': {
    ...FAILED,
    routes: (app, url, fail) => { app.websocket(url, { websocket: { autoAccept: true } }, () => fail()) }
  },
  'the handler, after the client has left': handler(async (ws, fail) => {
    await ws.accept()
    await ws.closed
    return fail()
  }, LATE),

  // Session handlers.
  'onConnect, after accept': {
    ...FAILED,
    routes: (app, url, fail) => {
      app.websocket(url, {
        async onConnect (ws) {
          await ws.accept()
          return fail()
        },
        onMessage () {}
      })
    }
  },
  onMessage: { ...FAILED, routes: (app, url, fail) => { app.websocket(url, { onMessage: () => fail() }) } },
  onDisconnect: { ...LATE, routes: (app, url, fail) => { app.websocket(url, { onMessage () {}, onDisconnect: () => fail() }) } },
  'onMessage, and onDisconnect': {
    ...FAILED,
    lines: (kind) => never(kind) ? [] : [ERROR, ERROR], // one error of each
    afterwards: [WARN], // onDisconnect runs without onMessage
    routes: (app, url, fail) => { app.websocket(url, { onMessage: () => fail(), onDisconnect: () => fail() }) }
  },
  errorHandler: {
    options: (failAt) => ({ errorHandler: (_, __, { url }) => failAt(url) }),
    routes: (app, url) => {
      app.websocket(url, async (ws) => {
        await ws.accept()
        throws()
      })
    },
    ends: () => 'close 1011',
    lines: (kind) => never(kind) ? [ERROR] : [ERROR, ERROR] // the error that errorHandler got, and the error that it threw
  },

  // Messages.
  'a validator of messages': {
    routes: (app, url, fail) => {
      app.websocket(url, { schema: { receive }, validatorCompiler: () => () => fail() }, async (ws) => {
        await ws.accept()
        await ws.receive()
      })
    },
    // As in Fastify, a validator that rejects says that the message is not valid, unless the reason cannot be read.
    ends: (kind) => never(kind) ? 'open' : isInvalid(kind) ? 'close 1008' : 'close 1011',
    lines: (kind) => never(kind) ? [] : isInvalid(kind) ? [INFO] : [ERROR]
  },
  'a validator of messages, before onMessage': {
    routes: (app, url, fail) => { app.websocket(url, { schema: { receive }, validatorCompiler: () => () => fail(), websocket: { onMessage () {} } }) },
    ends: (kind) => never(kind) ? 'open' : isInvalid(kind) ? 'close 1008' : 'close 1011',
    lines: (kind) => never(kind) ? [] : isInvalid(kind) ? [INFO] : [ERROR]
  },
  schemaErrorFormatter: {
    ...FAILED,
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => {
      app.websocket(url, { schema: { receive }, schemaErrorFormatter: () => fail() }, async (ws) => {
        await ws.accept()
        await ws.receive()
      })
    }
  },
  'a serializer of messages': {
    ...FAILED,
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => {
      app.websocket(url, { schema: { send: {} }, serializerCompiler: () => () => fail() }, async (ws) => {
        await ws.accept()
        await ws.send({})
      })
    }
  },
  'toJSON of a message': handler(async (ws, fail) => {
    await ws.accept()
    await ws.send({ toJSON: fail })
  }, { kinds: SYNCHRONOUS }),
  'a getter in a message': handler(async (ws, fail) => {
    await ws.accept()
    await ws.sendJson({ get a () { return fail() } })
  }, { kinds: SYNCHRONOUS }),
  'toJSON of a message that a session publishes': handler(async (ws, fail) => {
    await ws.accept()
    await ws.subscribe('topic')
    await ws.publish('topic', { toJSON: fail })
  }, { kinds: SYNCHRONOUS }),
  'toJSON of a message that the app publishes': {
    ...FAILED,
    kinds: SYNCHRONOUS,
    routes: (app, url, fail) => {
      app.websocket(url, async (ws) => {
        await ws.accept()
        await app.websockets.publish('topic', { toJSON: fail })
      })
    }
  },
  'the options of receive, a getter': handler(async (ws, fail) => {
    await ws.accept()
    await ws.receive({ get timeout () { return fail() } })
  }, { kinds: SYNCHRONOUS }),
  'a getter in an event': handler(async (ws, fail) => {
    await ws.accept()
    await ws.sendEvent({ get type () { return fail() } } as any)
  }, { kinds: SYNCHRONOUS }),

  // Listeners.
  'a listener on ws.signal': handler((ws, fail) => untilClosed(ws, () => ws.signal.addEventListener('abort', () => fail())), LATE),
  'a listener on ws.signal, an object': handler((ws, fail) => untilClosed(ws, () => ws.signal.addEventListener('abort', { handleEvent: () => fail() })), LATE),
  'onabort of ws.signal': handler((ws, fail) => untilClosed(ws, () => { ws.signal.onabort = () => fail() }), LATE),
  "a listener to 'message' of ws.raw": handler((ws, fail) => untilClosed(ws, () => ws.raw!.on('message', () => fail()))),
  "a listener to one 'message' of ws.raw": handler((ws, fail) => untilClosed(ws, () => ws.raw!.once('message', () => fail()))),
  'onmessage of ws.raw': handler((ws, fail) => untilClosed(ws, () => { (ws.raw as any).onmessage = () => fail() }), { kinds: SYNCHRONOUS }),
  "a listener to 'ping' of ws.raw": handler((ws, fail) => untilClosed(ws, () => ws.raw!.on('ping', () => fail())), { act: (socket) => socket.ping() }),
  "a listener to 'error' of ws.raw": handler((ws, fail) => untilClosed(ws, () => ws.raw!.on('error', () => fail())), { act: breaks, ends: () => 'close 1002' }),
  "a listener to 'close' of ws.raw": handler((ws, fail) => untilClosed(ws, () => ws.raw!.on('close', () => fail())), LATE),

  // Raw routes.
  'the handler of a raw route': raw((_, fail) => fail()),
  "a listener to 'message' of a raw route": raw((socket, fail) => socket.on('message', () => fail())),
  "a listener to 'ping' of a raw route": raw((socket, fail) => socket.on('ping', () => fail()), { act: (socket) => socket.ping() }),
  "a listener to 'close' of a raw route": raw((socket, fail) => socket.on('close', () => fail()), LATE)
}

function isInvalid ({ how, what }: Kind): boolean {
  return how === 'rejects' && !['a revoked proxy', 'a proxy that throws', 'an object without a prototype'].includes(what)
}

// The client, the app and the tests.

interface Visit {
  /** Does not settle if the handshake fails. */
  opened: Promise<Peer>
  ended: Promise<string>
}

function visit (t: Test, url: string): Visit {
  const connecting = connectPeer(t, url, { origin: 'http://app.example' })
  const ended = connecting.then(async ({ closed }) => `close ${(await closed).code}`, ({ message }) => {
    const [status] = /\d{3}$/.exec(message) ?? []
    return status === undefined ? 'close 1006' : `HTTP ${status}`
  })
  return { opened: new Promise((resolve) => { connecting.then(resolve, () => {}) }), ended }
}

/** Resolves with 'open' when the server has answered a ping of `socket`. */
async function isAnswered (socket: WebSocket): Promise<string> {
  socket.ping()
  await once(socket, 'pong')
  return 'open'
}

/** The lines that report something wrong: all lines at warn or higher, and lines at info with an error. */
function complaints (lines: LogLine[]): LogLine[] {
  return lines.filter(({ level, err }) => level >= WARN || (level > DEBUG && err !== undefined))
}

const levels = (lines: LogLine[]): number[] => lines.map(({ level }) => level)

const OPTIONS: WebSocketPluginOptions = { origins: '*', handshakeTimeout: 50, closeTimeout: 100, shutdown: { timeout: 200 } }

/** In ms: `shutdown.timeout`, the time that handlers get at the end, and a reserve for a busy machine. */
const CLOSE_WITHIN = 3_000

/** Starts an app with a connection whose messages its session echoes, whatever happens to other connections. */
async function serve (t: Test, options: WebSocketPluginOptions, serverOptions: FastifyServerOptions, routes: (app: FastifyInstance) => void): Promise<{ app: FastifyInstance, port: number, echo: () => Promise<void> }> {
  const app = await createApp(t, { ...OPTIONS, ...options }, serverOptions)
  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  routes(app)
  const port = await listen(app)
  const peer = await visit(t, `ws://127.0.0.1:${port}/echo`).opened
  return {
    app,
    port,
    async echo () {
      await peer.send('another connection')
      t.equal(await peer.next(), 'another connection')
    }
  }
}

/** Asserts that `app.close()` resolves in time and that no connection is left. */
async function closesInTime (t: Test, app: FastifyInstance): Promise<void> {
  const begin = performance.now()
  await app.close()
  t.ok(performance.now() - begin < CLOSE_WITHIN, 'app.close() resolves in time')
  t.equal(await promisify(app.server.getConnections.bind(app.server))(), 0, 'no connection is left')
}

/** Connects to `url`, and returns how the connection ends. `ran` resolves when the failing code runs. */
async function endOf (t: Test, url: string, expected: string, ran: Promise<void>, act: (socket: WebSocket) => void): Promise<string> {
  const { opened, ended } = visit(t, url)
  opened.then(({ socket }) => act(socket))
  if (expected === 'waits') return await Promise.race([ran.then(() => 'waits'), opened.then(() => 'opens'), ended])
  if (expected === 'open') return await Promise.race([Promise.all([opened, ran]).then(([{ socket }]) => isAnswered(socket)), ended])
  return await ended
}

/** The end that corresponds to the response of the HTTP route at `url`. */
async function endOfHttp (app: FastifyInstance, url: string): Promise<string> {
  const { statusCode, body } = await app.inject(url)
  await setImmediate() // onResponse hooks run after the response
  return body === 'http' ? 'close 1000' : `HTTP ${refusedWith(statusCode)}` // the handler has run: the handler of the WebSocket route accepts and returns
}

for (const [name, place] of Object.entries(PLACES)) {
  t.test(`${name} fails`, { buffered: true }, async (t) => {
    const { lines, serverOptions } = collectLogs()
    const { act = sends } = place
    const kinds = (place.kinds ?? KINDS).filter((kind) => place.http === undefined || fastifyHandles(kind))
    const ran = new Map(kinds.map((kind) => [kind, new Deferred<void>()]))
    const failAt: FailAt = (url) => {
      const kind = kindOf(url)
      if (kind === undefined) return undefined
      ran.get(kind)!.resolve()
      return kind.fail()
    }
    t.same(await unhandledRejections(async () => {
      const { app, port, echo } = await serve(t, place.options?.(failAt) ?? {}, { ...serverOptions, ...place.server?.(failAt) }, (app) => {
        for (const kind of kinds) {
          const url = `/${KINDS.indexOf(kind)}`
          place.routes(app, url, () => failAt(url))
          if (!never(kind)) place.http?.(app, `${url}/http`, () => failAt(url))
        }
      })
      for (const kind of kinds) {
        const url = `/${KINDS.indexOf(kind)}`
        let expected: [end: string, lines: number[]]
        lines.length = 0
        if (place.http !== undefined && !never(kind)) expected = [await endOfHttp(app, `${url}/http`), levels(complaints(lines))]
        else expected = [place.ends!(kind), place.lines!(kind)]
        lines.length = 0
        const end = await endOf(t, `ws://127.0.0.1:${port}${url}`, expected[0], ran.get(kind)!.promise, act)
        await until(() => complaints(lines).length >= expected[1].length)
        await echo()
        t.same([end, levels(complaints(lines))], expected, kind.name)
      }
      lines.length = 0
      await closesInTime(t, app)
      t.same(levels(complaints(lines).filter(({ msg }) => !/^app.close\(\) has dropped/.test(msg!))), place.afterwards ?? [], 'the app logs nothing else when it closes')
    }), [])
  })
}

t.test('shutdown.notify fails', { buffered: true }, async (t) => {
  const { lines, serverOptions } = collectLogs()
  t.same(await unhandledRejections(async () => {
    const { app, port } = await serve(t, { shutdown: { timeout: 200, notify: (ws) => kindOf(ws.request.url)?.fail() } }, serverOptions, (app) => {
      app.websocket('/:kind', untilClosedByOthers)
    })
    const visits = await Promise.all(KINDS.map(async (kind, i) => {
      const { opened, ended } = visit(t, `ws://127.0.0.1:${port}/${i}`)
      await opened
      return { kind, ended }
    }))
    lines.length = 0
    await closesInTime(t, app)
    for (const { kind, ended } of visits) t.equal(await ended, never(kind) ? 'close 1006' : 'close 1001', kind.name)
    t.same(levels(complaints(lines)), [...KINDS.filter((kind) => !never(kind)).map(() => ERROR), WARN]) // app.close() has dropped one connection
  }), [])
})

/** A logger that works, but whose children for sessions throw. */
function brokenLogger (): FastifyBaseLogger {
  const make = (log: () => void): FastifyBaseLogger => ({ level: 'debug', fatal: log, error: log, warn: log, info: log, debug: log, trace: log, silent: log, child } as never)
  const child = (bindings: object): FastifyBaseLogger => 'ws' in bindings ? make(() => { throw new Error('from the logger') }) : logger
  const logger = make(() => {})
  return logger
}

t.test('a logger that throws while it logs any of these errors changes nothing else', { buffered: true }, async (t) => {
  const [kind] = KINDS
  for (const [name, place] of Object.entries(PLACES)) {
    if (place.http !== undefined || place.server !== undefined) continue
    t.same(await unhandledRejections(async () => {
      const { app, port, echo } = await serve(t, place.options?.(kind.fail) ?? {}, { loggerInstance: brokenLogger() }, (app) => place.routes(app, '/0', kind.fail))
      t.equal(await endOf(t, `ws://127.0.0.1:${port}/0`, '', Promise.resolve(), place.act ?? sends), place.ends!(kind), name)
      await echo()
      await closesInTime(t, app)
    }), [])
  }
})

t.test('shutdown.notify fails, and the logger throws', async (t) => {
  t.same(await unhandledRejections(async () => {
    const { app, port } = await serve(t, { shutdown: { notify: () => KINDS[0].fail() } }, { loggerInstance: brokenLogger() }, (app) => { app.websocket('/', untilClosedByOthers) })
    const { opened, ended } = visit(t, `ws://127.0.0.1:${port}/`)
    await opened
    await closesInTime(t, app)
    t.equal(await ended, 'close 1001')
  }), [])
})
