import t from 'tap'
import { checkPluginOptions, checkRouteOptions, pluginSettings, routeSettings } from '../lib/options'

const NO_SCHEMAS = { receive: false, send: false }
const OPTION_ERROR = { name: 'WebSocketOptionError', code: 'FST_WS_OPTION' }

/** For each kind of option what it may be, and what it may not be. */
const KINDS = {
  type: { good: ['text', 'bytes', 'json', 'integer', 'number', 'boolean', 'any'], bad: ['string', 'TEXT', '', 'jsonText', null, 1, true, ['text'], {}] },
  flag: { good: [true, false], bad: [null, 0, 1, 'true', {}, []] },
  bytes: { good: [1, 64 * 1024, Number.MAX_SAFE_INTEGER], bad: [0, -1, 1.5, NaN, Infinity, 2 ** 53, '1024', 1024n, null, true, {}, []] },
  milliseconds: { good: [1, 0.5, 30_000, 2 ** 31 - 1], bad: [0, -1, NaN, Infinity, 2 ** 31, '1000', 1000n, null, true, {}, []] },
  func: { good: [() => {}, async () => {}], bad: [null, true, 'handler', {}, []] },
  subprotocols: { good: [[], ['chat'], ['chat.v2', 'chat.v1']], bad: [null, 'chat', [''], ['chat', 1], [null], {}, new Set(['chat']), true] },
  slowSubscriber: { good: ['close', 'skip'], bad: ['drop', '', null, true, {}] },
  heartbeat: { good: [false, {}, { interval: 1 }, { interval: 1_000, timeout: undefined }, { interval: 0.5, timeout: 2 ** 31 - 1 }], bad: [null, true, 1, 'off', [], () => {}] },
  idleTimeout: { good: [false, 1, 2 ** 31 - 1], bad: [null, true, 0, -1, NaN, Infinity, '1', {}, []] },
  rateLimit: { good: [false, { messages: 1, interval: 0.5 }, { interval: 1_000, messages: 100 }], bad: [null, true, 1, 'off', []] },
  deflate: { good: [true, false, {}, { threshold: 1024 }], bad: [null, 1, 'true', () => {}] }
}

const ROUTE_OPTIONS: Record<string, keyof typeof KINDS> = {
  valueType: 'type',
  receiveType: 'type',
  sendType: 'type',
  subprotocols: 'subprotocols',
  autoAccept: 'flag',
  catchDisconnect: 'flag',
  receiveHighWaterMark: 'bytes',
  sendHighWaterMark: 'bytes',
  sendTimeout: 'milliseconds',
  handshakeTimeout: 'milliseconds',
  heartbeat: 'heartbeat',
  idleTimeout: 'idleTimeout',
  rateLimit: 'rateLimit',
  slowSubscriber: 'slowSubscriber',
  maxBufferedAmount: 'bytes'
}

const PLUGIN_ONLY: Record<string, keyof typeof KINDS> = { closeTimeout: 'milliseconds', maxPayload: 'bytes', perMessageDeflate: 'deflate', errorHandler: 'func' }

const ROUTE_ONLY: Record<string, keyof typeof KINDS> = { raw: 'flag', onConnect: 'func', onMessage: 'func', onDisconnect: 'func' }

const PLACES = [
  ['the plugin', checkPluginOptions, { ...ROUTE_OPTIONS, ...PLUGIN_ONLY }],
  ['a route', checkRouteOptions, { ...ROUTE_OPTIONS, ...ROUTE_ONLY }]
] as const

/** For checks that are to warn of nothing. */
function noWarning (message: string): never {
  throw new Error(message)
}

for (const [place, check, options] of PLACES) {
  t.test(`${place} takes each of its options with any value that it can have`, async (t) => {
    for (const [name, kind] of Object.entries(options)) {
      for (const value of KINDS[kind].good) t.doesNotThrow(() => check({ [name]: value }, noWarning), `${name}: ${String(value)}`)
    }
  })

  t.test(`${place} refuses each of its options with a value that it cannot have, and says what to use`, async (t) => {
    for (const [name, kind] of Object.entries(options)) {
      for (const value of KINDS[kind].bad) {
        t.throws(() => check({ [name]: value }, noWarning), { ...OPTION_ERROR, message: new RegExp(`^option ${name} is [^]*: use .`) }, `${name}: ${String(value)}`)
      }
    }
  })

  t.test(`${place} takes no options, and options that are undefined, whatever their name`, async (t) => {
    t.doesNotThrow(() => check({}, noWarning))
    for (const name of [...Object.keys(options), 'unknown']) t.doesNotThrow(() => check({ [name]: undefined }, noWarning))
  })

  t.test(`${place} refuses an option that there is not, and names it and those that there are`, async (t) => {
    for (const name of ['receivetype', 'path', 'noServer', 'toString', 'constructor', '__proto__', 'hasOwnProperty', '']) {
      const own = Object.fromEntries([[name, true]])
      t.throws(() => check(own, noWarning), { ...OPTION_ERROR, message: `unknown option ${name} ` }, name)
      t.throws(() => check(own, noWarning), { message: Object.keys(options).join(', ') }, name)
    }
  })
}

t.test('the members of an option are checked too: those that there are, those that are missing, and their values', async (t) => {
  const bad: [options: object, message: string][] = [
    [{ heartbeat: { interval: 0 } }, 'option heartbeat.interval is 0: use a number of milliseconds'],
    [{ heartbeat: { timeout: '10' } }, "option heartbeat.timeout is '10': use a number of milliseconds"],
    [{ heartbeat: { intervall: 1 } }, 'unknown intervall in option heartbeat: use { interval, timeout }'],
    [{ heartbeat: { constructor: 1 } }, 'unknown constructor in option heartbeat'],
    [{ rateLimit: { messages: 10 } }, 'option rateLimit.interval is undefined: use a number of milliseconds'],
    [{ rateLimit: { interval: 10 } }, 'option rateLimit.messages is undefined: use a whole number of messages from 1 up'],
    [{ rateLimit: { messages: 0, interval: 10 } }, 'option rateLimit.messages is 0'],
    [{ rateLimit: { messages: 1.5, interval: 10 } }, 'option rateLimit.messages is 1.5'],
    [{ rateLimit: { messages: 1, interval: 10, burst: 5 } }, 'unknown burst in option rateLimit: use { messages, interval }']
  ]
  for (const [options, message] of bad) {
    for (const check of [checkPluginOptions, checkRouteOptions]) t.throws(() => check({ ...options }, noWarning), { ...OPTION_ERROR, message })
  }
})

t.test('a limit that needs a session is refused on a route with raw: true', async (t) => {
  const limits = { heartbeat: {}, idleTimeout: 1, rateLimit: { messages: 1, interval: 1 } }
  for (const [name, value] of Object.entries(limits)) {
    t.throws(() => checkRouteOptions({ raw: true, [name]: value }, noWarning), { ...OPTION_ERROR, message: `option ${name} needs a session` })
    t.doesNotThrow(() => checkRouteOptions({ raw: true, [name]: false }, noWarning))
    t.doesNotThrow(() => checkRouteOptions({ raw: false, [name]: value }, noWarning))
  }
})

t.test('of a heartbeat, what the route leaves out is as in the plugin, and what that leaves out is the default', async (t) => {
  const cases: [plugin: unknown, route: unknown, heartbeat: unknown][] = [
    [undefined, { timeout: 1 }, { interval: 25_000, timeout: 1 }],
    [{ interval: 1 }, undefined, { interval: 1, timeout: 10_000 }],
    [{ interval: 1 }, { timeout: 2 }, { interval: 1, timeout: 2 }],
    [{ interval: 1, timeout: 2 }, { interval: 3, timeout: undefined }, { interval: 3, timeout: 2 }],
    [false, undefined, false],
    [false, {}, { interval: 25_000, timeout: 10_000 }],
    [false, { interval: 1 }, { interval: 1, timeout: 10_000 }],
    [{ interval: 1 }, false, false]
  ]
  for (const [plugin, route, heartbeat] of cases) {
    t.strictSame(routeSettings({ heartbeat: plugin }, { heartbeat: route }, NO_SCHEMAS).heartbeat, heartbeat, JSON.stringify([plugin, route]))
  }
})

t.test('the options of the plugin and those of a route are told apart', async (t) => {
  for (const [name, kind] of Object.entries(PLUGIN_ONLY)) {
    t.throws(() => checkRouteOptions({ [name]: KINDS[kind].good[0] }, noWarning), { ...OPTION_ERROR, message: "in a route's `websocket`" })
  }
  for (const [name, kind] of Object.entries(ROUTE_ONLY)) {
    t.throws(() => checkPluginOptions({ [name]: KINDS[kind].good[0] }, noWarning), { ...OPTION_ERROR, message: 'of the plugin' })
  }
})

t.test('a value of text is quoted in the error', async (t) => {
  t.throws(() => checkPluginOptions({ maxPayload: '1mb' }, noWarning), { message: "option maxPayload is '1mb': use a whole number of bytes from 1 up" })
  t.throws(() => checkPluginOptions({ maxPayload: 0 }, noWarning), { message: 'option maxPayload is 0: use a whole number of bytes from 1 up' })
})

t.test('what Fastify itself passes to a plugin is not refused', async (t) => {
  t.doesNotThrow(() => checkPluginOptions({ prefix: '/api', logLevel: 'warn', logSerializers: {} }, noWarning))
  t.throws(() => checkRouteOptions({ prefix: '/api' }, noWarning), OPTION_ERROR)
})

t.test('an option of the contract that has no effect yet is warned of, and not refused', async (t) => {
  for (const name of ['origins', 'maxConnections', 'refusal', 'shutdown']) {
    for (const check of [checkPluginOptions, checkRouteOptions]) {
      const warnings: string[] = []
      check({ [name]: false }, (message) => warnings.push(message))
      t.match(warnings, [`the option ${name} is not implemented in this version`])
      t.equal(warnings.length, 1)
    }
  }
})

t.test('the defaults are those of the contract', async (t) => {
  t.match(routeSettings({}, {}, NO_SCHEMAS), {
    receiveType: 'text',
    sendType: 'any',
    autoAccept: false,
    catchDisconnect: true,
    receiveHighWaterMark: 65_536,
    sendHighWaterMark: 65_536,
    sendTimeout: 30_000,
    handshakeTimeout: 10_000,
    heartbeat: { interval: 25_000, timeout: 10_000 },
    idleTimeout: false,
    rateLimit: false,
    slowSubscriber: 'close',
    maxBufferedAmount: 1_048_576
  })
  t.strictSame(routeSettings({}, {}, NO_SCHEMAS).subprotocols, [])
  t.match(pluginSettings({}), { closeTimeout: 5_000, maxPayload: 1_048_576, perMessageDeflate: false, errorHandler: undefined })
})

t.test('the options of the plugin stand over the defaults', async (t) => {
  const errorHandler = (): void => {}
  t.match(pluginSettings({ closeTimeout: 1, maxPayload: 2, perMessageDeflate: true, errorHandler }), { closeTimeout: 1, maxPayload: 2, perMessageDeflate: true, errorHandler })
  t.match(routeSettings({ autoAccept: true, sendTimeout: 1 }, {}, NO_SCHEMAS), { autoAccept: true, sendTimeout: 1, catchDisconnect: true })
})

t.test('the options of a route stand over those of the plugin', async (t) => {
  const plugin = { autoAccept: true, sendTimeout: 1, subprotocols: ['a'] }
  t.match(routeSettings(plugin, { autoAccept: false, subprotocols: [] }, NO_SCHEMAS), { autoAccept: false, sendTimeout: 1, subprotocols: [] })
  t.strictSame(routeSettings(plugin, { subprotocols: ['b'] }, NO_SCHEMAS).subprotocols, ['b'])
})

t.test('an option that is undefined stands over nothing', async (t) => {
  t.match(pluginSettings({ maxPayload: undefined }), { maxPayload: 1_048_576 })
  const settings = routeSettings({ sendTimeout: 1, autoAccept: undefined, receiveType: undefined }, { sendTimeout: undefined, sendType: undefined }, NO_SCHEMAS)
  t.match(settings, { sendTimeout: 1, autoAccept: false, receiveType: 'text', sendType: 'any' })
})

t.test('the types of a route: its own first, then JSON for a schema, then those of the plugin', async (t) => {
  const cases: [plugin: object, route: object, sides: { receive: boolean, send: boolean }, receiveType: string, sendType: string][] = [
    [{}, { valueType: 'json' }, NO_SCHEMAS, 'json', 'json'],
    [{}, { valueType: 'json', receiveType: 'bytes' }, NO_SCHEMAS, 'bytes', 'json'],
    [{}, { valueType: 'json', sendType: 'bytes' }, NO_SCHEMAS, 'json', 'bytes'],
    [{}, { receiveType: 'integer' }, NO_SCHEMAS, 'integer', 'any'],
    [{ valueType: 'json' }, {}, NO_SCHEMAS, 'json', 'json'],
    [{ valueType: 'json', receiveType: 'bytes' }, {}, NO_SCHEMAS, 'bytes', 'json'],
    [{ valueType: 'json', sendType: 'bytes' }, {}, NO_SCHEMAS, 'json', 'bytes'],
    [{ receiveType: 'bytes', sendType: 'bytes' }, { valueType: 'json' }, NO_SCHEMAS, 'json', 'json'],
    [{ valueType: 'bytes' }, { receiveType: 'text' }, NO_SCHEMAS, 'text', 'bytes'],
    [{}, {}, { receive: true, send: false }, 'json', 'any'],
    [{}, {}, { receive: false, send: true }, 'text', 'json'],
    [{ valueType: 'text' }, {}, { receive: true, send: true }, 'json', 'json'],
    [{}, { valueType: 'text' }, { receive: true, send: true }, 'text', 'text'],
    [{}, { receiveType: 'number', sendType: 'boolean' }, { receive: true, send: true }, 'number', 'boolean']
  ]
  for (const [plugin, route, sides, receiveType, sendType] of cases) {
    t.match(routeSettings({ ...plugin }, { ...route }, sides), { receiveType, sendType }, JSON.stringify([plugin, route, sides]))
  }
})

t.test('the options that were given are not changed, nor the defaults by those', async (t) => {
  const plugin = Object.freeze({ sendTimeout: 1, subprotocols: Object.freeze(['a']) })
  const route = Object.freeze({ valueType: 'json' })
  routeSettings(plugin, route, NO_SCHEMAS)
  pluginSettings(plugin)
  t.match(routeSettings({}, {}, NO_SCHEMAS), { sendTimeout: 30_000, subprotocols: [], receiveType: 'text' })
})
