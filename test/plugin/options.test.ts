import t from 'tap'
import { checkPlacement, checkPluginOptions, checkRouteOptions, pluginSettings, routeSettings, onInvalidIn, sessionHandlersIn } from '../../lib/plugin/options'
import { MemoryBroker, MemoryServer } from '../helpers/memory-broker'

const NO_SCHEMAS = { receive: false, send: false }
const OPTION_ERROR = { name: 'WebSocketOptionError', code: 'FST_WS_OPTION' }

/** The valid and the invalid values for each kind of option. */
const KINDS = {
  type: { good: ['text', 'bytes', 'json', 'integer', 'number', 'boolean', 'any'], bad: ['string', 'TEXT', '', 'jsonText', null, 1, true, ['text'], {}] },
  flag: { good: [true, false], bad: [null, 0, 1, 'true', {}, []] },
  payload: { good: [1, 1024 * 1024, 2 ** 31 - 1], bad: [0, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 32 + 1, '1024', null] },
  bytes: { good: [1, 64 * 1024, Number.MAX_SAFE_INTEGER], bad: [0, -1, 1.5, NaN, Infinity, 2 ** 53, '1024', 1024n, null, true, {}, []] },
  milliseconds: { good: [1, 0.5, 30_000, 2 ** 31 - 1], bad: [0, -1, NaN, Infinity, 2 ** 31, '1000', 1000n, null, true, {}, []] },
  func: { good: [() => {}, async () => {}], bad: [null, true, 'handler', {}, []] },
  subprotocols: { good: [[], ['chat'], ['chat.v2', 'chat.v1']], bad: [null, 'chat', [''], ['chat', 1], [null], ['chat room'], ['a,b'], ['grüße'], ['a', 'b', 'a'], {}, new Set(['chat']), true] },
  origins: {
    good: ['same-origin', '*', [], ['https://example.com', 'https://*.example.com:8443'], /example/, () => true, async () => true],
    bad: [null, true, '', 'https://example.com', 'any', {}, new Set(['https://example.com']), [''], ['*'], [null], [undefined], ['https://example.com', 1], ['https://example.com/path']]
  },
  refusal: { good: ['http', 'close', 'auto'], bad: ['HTTP', '', 'ws', null, true, {}] },
  connections: { good: [1, 100_000], bad: [0, -1, 1.5, NaN, Infinity, '10', null, true, {}] },
  shutdown: { good: [{}, { code: 1012, reason: 'restart' }], bad: [null, true, 1001, 'close', []] },
  slowSubscriber: { good: ['close', 'skip'], bad: ['drop', '', null, true, {}] },
  heartbeat: { good: [false, {}, { interval: 1 }, { interval: 1_000, timeout: undefined }, { interval: 0.5, timeout: 2 ** 31 - 1 }], bad: [null, true, 1, 'off', [], () => {}] },
  idleTimeout: { good: [false, 1, 2 ** 31 - 1], bad: [null, true, 0, -1, NaN, Infinity, '1', {}, []] },
  rateLimit: { good: [false, { messages: 1, interval: 0.5 }, { interval: 1_000, messages: 100 }], bad: [null, true, 1, 'off', []] },
  broker: {
    good: [new MemoryBroker(new MemoryServer()), { start () {}, subscribe () {}, unsubscribe () {}, publish () {}, close () {} }],
    bad: [null, true, 'redis://localhost', () => {}, {}, [], { start: true, subscribe () {}, unsubscribe () {}, publish () {}, close () {} }, { subscribe () {}, unsubscribe () {}, publish () {} }]
  },
  deflate: { good: [true, false, {}, { threshold: 1024 }], bad: [null, 1, 'true', () => {}, []] },
  routes: { good: [[], ['/graphql'], ['/a', '/b/:c'], () => true], bad: [null, true, '/graphql', {}, [1], ['/a', null], new Set(['/a']), /a/] }
}

const ROUTE_OPTIONS: Record<string, keyof typeof KINDS> = {
  valueType: 'type',
  receiveType: 'type',
  sendType: 'type',
  subprotocols: 'subprotocols',
  autoAccept: 'flag',
  catchDisconnect: 'flag',
  origins: 'origins',
  receiveHighWaterMark: 'bytes',
  sendHighWaterMark: 'bytes',
  sendTimeout: 'milliseconds',
  handshakeTimeout: 'milliseconds',
  refusal: 'refusal',
  maxConnections: 'connections',
  heartbeat: 'heartbeat',
  idleTimeout: 'idleTimeout',
  rateLimit: 'rateLimit',
  slowSubscriber: 'slowSubscriber',
  maxBufferedAmount: 'bytes',
  maxPayload: 'payload',
  perMessageDeflate: 'deflate',
  onInvalid: 'func'
}

const PLUGIN_ONLY: Record<string, keyof typeof KINDS> = { closeTimeout: 'milliseconds', errorHandler: 'func', rawRoutes: 'routes', http2: 'flag', shutdown: 'shutdown', broker: 'broker' }

const ROUTE_ONLY: Record<string, keyof typeof KINDS> = { raw: 'flag', onConnect: 'func', onMessage: 'func', onDisconnect: 'func' }

const PLACES = [
  ['the plugin', checkPluginOptions, { ...ROUTE_OPTIONS, ...PLUGIN_ONLY }],
  ['a route', checkRouteOptions, { ...ROUTE_OPTIONS, ...ROUTE_ONLY }]
] as const

for (const [place, check, options] of PLACES) {
  t.test(`${place} takes each option with every valid value`, async (t) => {
    for (const [name, kind] of Object.entries(options)) {
      for (const value of KINDS[kind].good) t.doesNotThrow(() => check({ [name]: value }), `${name}: ${String(value)}`)
    }
  })

  t.test(`${place} refuses each option with an invalid value, and the error says what to use`, async (t) => {
    for (const [name, kind] of Object.entries(options)) {
      for (const value of KINDS[kind].bad) {
        t.throws(() => check({ [name]: value }), { ...OPTION_ERROR, message: new RegExp(`^option ${name} is [^]*: use .`) }, `${name}: ${String(value)}`)
      }
    }
  })

  t.test(`${place} may have no options, and options that are undefined, whatever their name`, async (t) => {
    t.doesNotThrow(() => check({}))
    for (const name of [...Object.keys(options), 'unknown']) t.doesNotThrow(() => check({ [name]: undefined }))
  })

  t.test(`${place} refuses an unknown option, and the error names it and the known options`, async (t) => {
    for (const name of ['receivetype', 'path', 'noServer', 'toString', 'constructor', '__proto__', 'hasOwnProperty', '']) {
      const own = Object.fromEntries([[name, true]])
      t.throws(() => check(own), { ...OPTION_ERROR, message: `unknown option ${name} ` }, name)
      t.throws(() => check(own), { message: Object.keys(options).join(', ') }, name)
    }
  })
}

t.test('the members of an option are checked: unknown ones, missing ones, and the values', async (t) => {
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
    for (const check of [checkPluginOptions, checkRouteOptions]) t.throws(() => check({ ...options }), { ...OPTION_ERROR, message })
  }
})

t.test('an option that needs a session is refused on a route with raw: true', async (t) => {
  const others = ['origins', 'refusal', 'maxConnections', 'maxPayload', 'perMessageDeflate']
  for (const [name, kind] of Object.entries(ROUTE_OPTIONS)) {
    const value = KINDS[kind].good.find(Boolean)
    const check = (): void => checkRouteOptions({ raw: true, [name]: value })
    if (others.includes(name)) t.doesNotThrow(check, name)
    else t.throws(check, { ...OPTION_ERROR, message: `option ${name} needs a session` })
    t.doesNotThrow(() => checkRouteOptions({ raw: false, [name]: value }))
  }
  for (const name of ['autoAccept', 'heartbeat', 'idleTimeout', 'rateLimit']) t.doesNotThrow(() => checkRouteOptions({ raw: true, [name]: false }), name)
})

t.test('the options of permessage-deflate are the ones of ws, and each is checked', async (t) => {
  const good: Record<string, unknown[]> = {
    serverNoContextTakeover: [true, false],
    clientNoContextTakeover: [true, false],
    serverMaxWindowBits: [8, 15, false],
    clientMaxWindowBits: [8, 15, true, false],
    zlibDeflateOptions: [{}, { level: 1, memLevel: 4 }],
    zlibInflateOptions: [{}, { chunkSize: 10 * 1024 }],
    threshold: [0, 1024],
    concurrencyLimit: [1, 10]
  }
  const bad: Record<string, unknown[]> = {
    serverNoContextTakeover: [1, null],
    clientNoContextTakeover: ['yes', null],
    serverMaxWindowBits: [7, 16, 8.5, true, '15', null],
    clientMaxWindowBits: [7, 16, '15', null],
    zlibDeflateOptions: [null, 1, { level: 99 }, { chunkSize: 'big' }],
    zlibInflateOptions: [null, 'fast', { windowBits: 99 }],
    threshold: [-1, '1kb', null],
    concurrencyLimit: [0, NaN, null],
    maxPayload: [1],
    isServer: [true]
  }
  for (const [name, values] of Object.entries(good)) {
    for (const value of values) t.doesNotThrow(() => checkPluginOptions({ perMessageDeflate: { [name]: value } }), `${name}: ${String(value)}`)
  }
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) t.throws(() => checkPluginOptions({ perMessageDeflate: { [name]: value } }), { ...OPTION_ERROR, message: name }, `${name}: ${String(value)}`)
  }
})

t.test('an option of a route that stands beside its websocket is refused, and the error says where it belongs', async (t) => {
  for (const name of [...Object.keys(ROUTE_OPTIONS).filter((name) => name !== 'onInvalid'), 'raw']) {
    t.throws(() => checkPlacement({ url: '/', [name]: true }), { ...OPTION_ERROR, message: `option ${name} stands beside \`websocket\` and belongs in \`websocket\`: use websocket: { ${name}: … }` })
    t.doesNotThrow(() => checkPlacement({ [name]: undefined }))
  }
  t.doesNotThrow(() => checkPlacement({ onConnect () {}, onMessage () {}, onDisconnect () {}, onInvalid () {}, errorHandler () {}, bodyLimit: 1, handlerTimeout: 1, version: '1', config: {}, mine: true }))
})

t.test('onInvalidIn finds onInvalid among session handlers and options; it is no session handler', async (t) => {
  const onInvalid = (): void => {}
  t.equal(onInvalidIn({ onInvalid, onMessage () {} }), onInvalid)
  t.equal(sessionHandlersIn({ onInvalid }), undefined)
  for (const value of [undefined, null, 5, () => {}, {}, { onInvalid: undefined }]) t.equal(onInvalidIn(value), undefined)
  t.throws(() => onInvalidIn({ get onInvalid () { throw new Error('from a getter') } }), OPTION_ERROR)
})

t.test('sessionHandlersIn returns the session handlers that are defined', async (t) => {
  const onMessage = (): void => {}
  for (const value of [undefined, null, 5, 'text', () => {}, {}, { onMessage: undefined }, []]) t.equal(sessionHandlersIn(value), undefined)
  t.strictSame(sessionHandlersIn({ url: '/', onMessage }), { onMessage })
  class Chat { onMessage (): void {} }
  const chat = new Chat()
  t.strictSame(sessionHandlersIn(chat), { onMessage: chat.onMessage })
  t.throws(() => sessionHandlersIn(new Proxy({}, { get () { throw new Error('from the trap') } })), { ...OPTION_ERROR, message: /^session handlers cannot be read: from the trap$/ })
})

t.test('a member of heartbeat comes from the route, else from the plugin, else from the defaults', async (t) => {
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

t.test('an option of the plugin is refused on a route, and an option of a route on the plugin', async (t) => {
  for (const [name, kind] of Object.entries(PLUGIN_ONLY)) {
    t.throws(() => checkRouteOptions({ [name]: KINDS[kind].good[0] }), { ...OPTION_ERROR, message: "in a route's `websocket`" })
  }
  for (const [name, kind] of Object.entries(ROUTE_ONLY)) {
    t.throws(() => checkPluginOptions({ [name]: KINDS[kind].good[0] }), { ...OPTION_ERROR, message: 'of the plugin' })
  }
})

t.test('a string value is quoted in the error', async (t) => {
  t.throws(() => checkPluginOptions({ maxPayload: '1mb' }), { message: "option maxPayload is '1mb': use a whole number of bytes from 1 to 2147483647" })
  t.throws(() => checkPluginOptions({ sendHighWaterMark: 0 }), { message: 'option sendHighWaterMark is 0: use a whole number of bytes from 1 up' })
})

t.test('the options of register are not refused', async (t) => {
  t.doesNotThrow(() => checkPluginOptions({ prefix: '/api', logLevel: 'warn', logSerializers: {} }))
  t.throws(() => checkRouteOptions({ prefix: '/api' }), OPTION_ERROR)
})

t.test('the error for a client in place of a broker names the missing functions, and says what to use', async (t) => {
  const client = { subscribe () {}, unsubscribe () {}, publish () {} }
  t.throws(() => checkPluginOptions({ broker: client }), { ...OPTION_ERROR, message: /^option broker is without start, close: use redisBroker\(client\) from / })
})

t.test('the options of shutdown are checked one by one', async (t) => {
  const good = {
    code: [1000, 1001, 1012, 3000, 4999],
    reason: ['', 'bye'],
    spread: [0, 1, 60_000],
    timeout: [1, 60_000],
    notify: [() => {}, async () => {}],
    unknown: [undefined]
  }
  const bad = {
    code: [999, 1004, 1005, 1006, 1015, 2000, 5000, '1001', null],
    reason: [null, 1, {}],
    spread: [-1, NaN, Infinity, '0', null],
    timeout: [0, -1, NaN, Infinity, '1', null],
    notify: [null, true, 'notify', {}],
    unknown: [1]
  }
  for (const [name, values] of Object.entries(good)) {
    for (const value of values) t.doesNotThrow(() => checkPluginOptions({ shutdown: { [name]: value } }), `${name}: ${String(value)}`)
  }
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      t.throws(() => checkPluginOptions({ shutdown: { [name]: value } }), { ...OPTION_ERROR, message: new RegExp(`${name}.*use .`) }, `${name}: ${String(value)}`)
    }
  }
  t.throws(() => checkPluginOptions({ shutdown: { unknown: 1 } }), { message: 'unknown unknown in option shutdown: use { code, reason, spread, timeout, notify }' })
})

t.test('each option of shutdown overrides its default', async (t) => {
  const notify = (): void => {}
  t.strictSame(pluginSettings({}).shutdown, { code: 1001, reason: '', spread: 0, timeout: 10_000 })
  t.strictSame(pluginSettings({ shutdown: { code: 1012, reason: undefined, notify } }).shutdown, { code: 1012, reason: '', spread: 0, timeout: 10_000, notify })
})

t.test('maxConnections of the plugin is not the limit of each route', async (t) => {
  t.equal(pluginSettings({ maxConnections: 5 }).maxConnections, 5)
  t.equal(routeSettings({ maxConnections: 5 }, {}, NO_SCHEMAS).maxConnections, undefined)
  t.equal(routeSettings({ maxConnections: 5 }, { maxConnections: 7 }, NO_SCHEMAS).maxConnections, 7)
})

t.test('the defaults are as documented', async (t) => {
  t.match(routeSettings({}, {}, NO_SCHEMAS), {
    receiveType: 'text',
    sendType: 'any',
    autoAccept: false,
    catchDisconnect: true,
    origins: 'same-origin',
    receiveHighWaterMark: 65_536,
    sendHighWaterMark: 65_536,
    sendTimeout: 30_000,
    handshakeTimeout: 10_000,
    refusal: 'http',
    maxConnections: undefined,
    heartbeat: { interval: 25_000, timeout: 10_000 },
    idleTimeout: false,
    rateLimit: false,
    slowSubscriber: 'close',
    maxBufferedAmount: 1_048_576
  })
  t.strictSame(routeSettings({}, {}, NO_SCHEMAS).subprotocols, [])
  t.match(pluginSettings({}), { closeTimeout: 5_000, maxPayload: 1_048_576, perMessageDeflate: false, errorHandler: undefined })
})

t.test('the options of the plugin override the defaults', async (t) => {
  const errorHandler = (): void => {}
  t.match(pluginSettings({ closeTimeout: 1, maxPayload: 2, perMessageDeflate: true, errorHandler }), { closeTimeout: 1, maxPayload: 2, perMessageDeflate: true, errorHandler })
  t.match(routeSettings({ autoAccept: true, sendTimeout: 1 }, {}, NO_SCHEMAS), { autoAccept: true, sendTimeout: 1, catchDisconnect: true })
})

t.test('the options of a route override the options of the plugin', async (t) => {
  const plugin = { autoAccept: true, sendTimeout: 1, subprotocols: ['a'] }
  t.match(routeSettings(plugin, { autoAccept: false, subprotocols: [] }, NO_SCHEMAS), { autoAccept: false, sendTimeout: 1, subprotocols: [] })
  t.strictSame(routeSettings(plugin, { subprotocols: ['b'] }, NO_SCHEMAS).subprotocols, ['b'])
})

t.test('an option that is undefined overrides nothing', async (t) => {
  t.match(pluginSettings({ maxPayload: undefined }), { maxPayload: 1_048_576 })
  const settings = routeSettings({ sendTimeout: 1, autoAccept: undefined, receiveType: undefined }, { sendTimeout: undefined, sendType: undefined }, NO_SCHEMAS)
  t.match(settings, { sendTimeout: 1, autoAccept: false, receiveType: 'text', sendType: 'any' })
})

t.test('the types of a route are its own, else JSON with a schema, else the types of the plugin', async (t) => {
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

t.test('neither the given options nor the defaults are changed', async (t) => {
  const plugin = Object.freeze({ sendTimeout: 1, subprotocols: Object.freeze(['a']) })
  const route = Object.freeze({ valueType: 'json' })
  routeSettings(plugin, route, NO_SCHEMAS)
  pluginSettings(plugin)
  t.match(routeSettings({}, {}, NO_SCHEMAS), { sendTimeout: 30_000, subprotocols: [], receiveType: 'text' })
})
