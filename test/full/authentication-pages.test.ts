import Fastify, { type FastifyInstance } from 'fastify'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import ts from 'typescript'
import websocket, { connect } from '../../lib/index'
import { listen } from '../helpers/app'
import { findChromium, launchChromium } from '../helpers/chromium'
import { blocks, codeBelow } from '../helpers/docs'
import { refused } from '../helpers/transports'
import type { Browser, Page } from 'playwright-core'
import type { WebSocketClient } from '../../types/session'

/* Runs the examples of docs/authentication.md: the app of each with its page in a browser, and with other clients. */

const PAGE = 'docs/authentication.md'

// Code in pages uses these names: the compiler options of this package do not include the DOM.
declare const document: any

const executable = findChromium()
const skip = executable === undefined && 'no Chromium on the PATH nor in CHROMIUM: no page is tested'

/** The HTML of each page that a test has opened. */
const opened = new Set<string>()

async function findUser (authorization: string | undefined): Promise<{ name: string } | null> {
  return authorization === 'Bearer a.good-token' ? { name: 'ada' } : null
}

/** Runs a block of TypeScript with the properties of `given` as variables. Resolves with the block's exports. */
async function run (code: string, given: object): Promise<any> {
  const js = ts.transpileModule(code, { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true } }).outputText
  const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
  const exports = {}
  await new AsyncFunction('require', 'exports', ...Object.keys(given), js)(require, exports, ...Object.values(given))
  return exports
}

/** Creates the app of the example below `heading`. `change` may edit the code. */
async function createExample (t: Test, heading: string, change = (code: string): string => code): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await run(codeBelow(PAGE, '# Authentication from a browser', 'ts')[0], { app, websocket })
  await run(change(codeBelow(PAGE, heading, 'ts')[0]), { app, findUser })
  app.get('/login', async () => 'the login page')
  return app
}

/** Opens the page of the example below `heading` in a new browser context, with this token and these cookies. */
async function visit (t: Test, browser: Browser, app: FastifyInstance, heading: string, { token = '', cookies = {} }): Promise<Page> {
  const [html] = codeBelow(PAGE, heading, 'html')
  opened.add(html)
  app.get('/', async (_request, reply) => reply.type('text/html').send(`<body>${html}</body>`))
  const url = `http://127.0.0.1:${await listen(app)}`
  const context = await browser.newContext()
  t.teardown(() => context.close())
  await context.addCookies(Object.entries<string>(cookies).map(([name, value]) => ({ name, value, url })))
  const page = await context.newPage()
  await page.addInitScript(`localStorage.token = '${token}'`)
  await page.goto(url)
  return page
}

/** Waits until `page` shows `text`, and asserts that. */
async function shows (t: Test, page: Page, text: string): Promise<void> {
  await page.waitForFunction((text) => document.body.textContent === text, text, { timeout: 10_000 })
  t.pass(`shows ${text}`)
}

const COOKIE = '## With a cookie'
const TICKET = '## With a ticket in the query'
const SUBPROTOCOL = '## With a token as a subprotocol'
const FIRST_MESSAGE = '## With the first message'
const REFUSALS = '## Refusals that the page can read'
const EXPIRY = '## When it expires'

const TOKEN = 'a.good-token'
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` }

t.test('pages of the documentation in a browser', { skip }, async (t) => {
  const browser = await launchChromium(executable!)
  t.teardown(() => browser.close())

  for (const [heading, text] of [[COOKIE, 'hello ada'], [TICKET, 'hello ada'], [SUBPROTOCOL, 'hello ada by inbox.v1'], [FIRST_MESSAGE, 'hello ada']]) {
    t.test(`the page below '${heading}' connects`, async (t) => {
      await shows(t, await visit(t, browser, await createExample(t, heading), heading, { token: TOKEN }), text)
    })
  }

  t.test('a page whose handshake is refused goes to the login page', async (t) => {
    const page = await visit(t, browser, await createExample(t, COOKIE), REFUSALS, {})
    await shows(t, page, 'the login page')
  })

  t.test('a page goes to the login page when its token expires', async (t) => {
    const app = await createExample(t, EXPIRY)
    const token = app.jwt.sign({ name: 'ada' }, { expiresIn: '5s' }) // the page has to open before that
    const page = await visit(t, browser, app, REFUSALS, { cookies: { token } })
    await shows(t, page, 'hello ada')
    await shows(t, page, 'the login page')
  })

  t.test('the tests above have opened all pages of the documentation', async (t) => {
    t.same(blocks.filter(({ language, page }) => language === 'html' && page === PAGE).map(({ code }) => code), [...opened])
  })
})

t.test('the app refuses a cookie that it has not signed', async (t) => {
  const app = await createExample(t, COOKIE)
  const { headers } = await app.inject({ method: 'POST', url: '/login', headers: AUTHORIZATION })
  const cookie = String(headers['set-cookie']).split(';')[0]
  t.equal(await (await app.injectWebSocket('/inbox', { headers: { cookie } })).receive(), 'hello ada')
  for (const forged of ['', 'user=ada', cookie.replace('ada', 'eve')]) {
    t.equal((await refused(app.injectWebSocket('/inbox', { headers: { cookie: forged } }))).status, 401, forged)
  }
})

t.test('a ticket is valid once, and for a short time', async (t) => {
  const ticketOf = async (app: FastifyInstance): Promise<string> =>
    (await app.inject({ method: 'POST', url: '/ticket', headers: AUTHORIZATION })).json().ticket
  const app = await createExample(t, TICKET)
  t.equal((await app.inject({ method: 'POST', url: '/ticket' })).statusCode, 401)
  const query = { ticket: await ticketOf(app) }
  t.equal(await (await app.injectWebSocket('/inbox', { query })).receive(), 'hello ada')
  t.equal((await refused(app.injectWebSocket('/inbox', { query }))).status, 401)
  t.equal((await refused(app.injectWebSocket('/inbox'))).status, 401)

  const hasty = await createExample(t, TICKET, (code) => code.replace('10_000', '1'))
  const late = { ticket: await ticketOf(hasty) }
  await setTimeout(5)
  t.equal((await refused(hasty.injectWebSocket('/inbox', { query: late }))).status, 401)
})

t.test('the app never selects a token that is offered as a subprotocol', async (t) => {
  const app = await createExample(t, SUBPROTOCOL)
  for (const subprotocols of [['inbox.v1', `token.${TOKEN}`], [`token.${TOKEN}`, 'inbox.v1']]) {
    const client = await app.injectWebSocket('/inbox', { subprotocols })
    t.same([await client.receive(), client.protocol], ['hello ada', 'inbox.v1'])
  }
  t.equal((await refused(app.injectWebSocket('/inbox', { subprotocols: ['inbox.v1', 'token.bad'] }))).status, 401)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { host } = new URL(app.listeningOrigin)
  const page = await connect(`ws://${host}/inbox`, { subprotocols: ['inbox.v1', 'token.bad'], headers: { origin: `http://${host}` } })
  t.equal(page.protocol, 'inbox.v1')
  t.match(await page.closed, { code: 4401, reason: 'log in first' })
})

t.test('the first message has to come in time and to have a valid token', async (t) => {
  const app = await createExample(t, FIRST_MESSAGE, (code) => code.replace('5_000', '500'))
  const client = await app.injectWebSocket('/inbox')
  t.equal(await client.pair(TOKEN), 'hello ada')
  const wrong = await app.injectWebSocket('/inbox')
  await wrong.send('bad')
  t.match(await wrong.closed, { code: 3000, reason: 'log in first' })
  t.match(await (await app.injectWebSocket('/inbox')).closed, { code: 1008 })
})

t.test('a session ends when its token expires, and does not begin without a token', async (t) => {
  const app = await createExample(t, EXPIRY)
  const token = app.jwt.sign({ name: 'ada', exp: Math.ceil(Date.now() / 1000) + 1 })
  const client = await app.injectWebSocket('/inbox', { cookies: { token } })
  t.equal(await client.receive(), 'hello ada')
  t.equal(await client.pair('still here'), 'still here')
  t.match(await client.closed, { code: 4401, reason: 'the token has expired' })
  t.equal((await refused(app.injectWebSocket('/inbox', { cookies: { token } }))).status, 401)
  t.equal((await refused(app.injectWebSocket('/inbox'))).status, 401)
})

t.test('when a user logs out, only the sessions of that user end', async (t) => {
  const app = await createExample(t, EXPIRY)
  const { logOut } = await run(`${codeBelow(PAGE, EXPIRY, 'ts')[1]}\nexport { logOut }`, { app })
  const open = async (name: string): Promise<WebSocketClient> =>
    await app.injectWebSocket('/inbox', { cookies: { token: app.jwt.sign({ name, exp: 2 ** 40 }) } })
  const [ada, grace] = [await open('ada'), await open('grace')]
  logOut('ada')
  await ada.expect('hello ada')
  t.match(await ada.closed, { code: 4401, reason: 'logged out' })
  await grace.expect('hello grace')
  t.equal(await grace.pair('still here'), 'still here')
})

t.test('the log has no query', async (t) => {
  const lines: string[] = []
  const code = codeBelow(PAGE, TICKET, 'ts')[1].replace('logger: {', 'logger: { stream,')
  const { app } = await run(`${code}\nexport { app }`, { stream: { write: (line: string) => lines.push(line) } })
  app.get('/inbox', async () => '')
  await app.inject('/inbox?ticket=secret')
  t.match(JSON.parse(lines[0]), { msg: 'incoming request', req: { url: '/inbox' } })
  t.notMatch(lines.join(), 'secret')
})
