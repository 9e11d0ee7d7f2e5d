import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import fastifyHelmet from '@fastify/helmet'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import asyncapi from '../../lib/asyncapi/index'
import websocket from '../../lib/index'
import { listen } from '../helpers/app'
import { findChromium, launchChromium } from '../helpers/chromium'
import { examples, root } from '../helpers/example'
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'

/* The page of asyncapi in a browser, under the Content-Security-Policy that @fastify/helmet sets by default. */

const LIMIT = 10_000
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

// Code in pages uses these names: the compiler options of this package do not include the DOM.
declare const document: any
declare const getComputedStyle: any
declare const axe: any

const { build: buildAll } = require('../fixtures/described.js')
const addRoutes = require(resolve(examples, 'described/routes.js'))

const executable = findChromium()
const skip = executable === undefined && 'no Chromium on the PATH nor in CHROMIUM: no page is tested'

/** Lets the app of the example listen, with @fastify/helmet. Resolves with the address of its page. */
async function serve (t: Test, options: object = {}, serverOptions: FastifyServerOptions = {}): Promise<{ app: FastifyInstance, url: string }> {
  const app = Fastify(serverOptions)
  t.teardown(() => app.close())
  await app.register(fastifyHelmet)
  await app.register(websocket)
  await app.register(asyncapi, {
    info: { title: 'Support desk', version: '1.0.0', description: 'Rooms in which customers and staff talk, and the length of the queue.' },
    components: { securitySchemes: { token: { type: 'httpApiKey', in: 'query', name: 'token' } } },
    routePrefix: '/asyncapi',
    ...options
  })
  addRoutes(app)
  return { app, url: `http://127.0.0.1:${await listen(app)}/asyncapi` }
}

/** Opens a page. The test fails for an error in the page, and for what its Content-Security-Policy has blocked. */
async function open (t: Test, browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(LIMIT)
  page.on('pageerror', (error) => t.error(error))
  page.on('console', (message) => { if (/Content.Security.Policy|Refused to/i.test(message.text())) t.fail(message.text()) })
  await page.goto(url)
  await page.getByRole('heading', { level: 1 }).waitFor()
  return page
}

/** The part of a channel, with its console opened. */
async function openConsole (page: Page, address: string): Promise<Locator> {
  const channel = page.getByRole('region', { name: address, exact: false }).first()
  await channel.getByText('Console', { exact: true }).click()
  return channel
}

const log = (channel: Locator): Locator => channel.getByRole('log').getByRole('listitem')

async function violations (page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => axe.run())
  return violations.map(({ id, nodes }: any) => `${id}: ${nodes.map(({ html }: any) => html).join(' | ')}`)
}

t.test('the page of asyncapi', { skip }, async (t) => {
  const browser = await launchChromium(executable!)
  t.teardown(() => browser.close())

  t.test('shows the channels, their messages with schemas and examples, how they are guarded, refuse and close', async (t) => {
    const { url } = await serve(t)
    const page = await open(t, browser, url)
    t.match((await page.request.get(url)).headers()['content-security-policy'], /script-src 'self'/)
    t.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'Support desk 1.0.0')
    t.same(await page.getByRole('navigation', { name: 'Channels' }).getByRole('link').allInnerTexts(), ['/rooms/{room}', '/queue'])

    const room = page.getByRole('region', { name: '/rooms/{room}' }).first()
    const text = await room.innerText()
    for (const shown of ['A room', 'What a person says', 'From the client', 'text required string', 'minLength: 1, maxLength: 500', 'It rattles', 'To the client', 'Person: object', '400', '403', '1008', 'The room is closed.', 'sec-websocket-protocol']) {
      t.ok(text.includes(shown), shown)
    }
    await room.getByText('from required Person: object').click()
    t.ok((await room.innerText()).includes('isStaff boolean default: false'), 'a branch of a schema opens')
    const queue = await page.getByRole('region', { name: '/queue' }).first().innerText()
    for (const shown of ['httpApiKey, query, token', 'The token is missing or wrong.', '401']) t.ok(queue.includes(shown), shown)
  })

  t.test('the console connects, sends, and shows what comes', async (t) => {
    const { app, url } = await serve(t)
    const page = await open(t, browser, url)
    const room = await openConsole(page, '/rooms/{room}')
    await room.getByLabel('room').selectOption('billing')
    await room.getByLabel('name query').fill('Ada & co')
    await room.getByLabel('subprotocol').selectOption('support.v1')
    t.equal(await room.getByRole('button', { name: 'Send' }).isDisabled(), true)
    await room.getByRole('button', { name: 'Connect' }).click()
    await room.getByRole('status').getByText('Connected with the subprotocol support.v1.').waitFor()

    t.same(JSON.parse(await room.getByLabel('Message').inputValue()), { text: 'It rattles' }, 'the first example is there to begin with')
    await room.getByRole('button', { name: 'Send' }).click()
    await log(room).filter({ hasText: 'received' }).getByText('"name": "Ada & co"').waitFor()
    await app.websockets.publish('billing', JSON.stringify({ from: { name: 'Grace' }, text: '<b>How can I help?</b>' }))
    await log(room).getByText('<b>How can I help?</b>').waitFor()

    await room.getByRole('button', { name: 'Disconnect' }).click()
    await room.getByRole('status').getByText('Closed: 1000 (The server has finished.)').waitFor()
    t.equal(app.websockets.size, 0)
  })

  t.test('a message that does not fit the schema is not sent, and the reason stands at its field', async (t) => {
    const { url } = await serve(t)
    const page = await open(t, browser, url)
    const room = await openConsole(page, '/rooms/{room}')
    await room.getByRole('button', { name: 'Connect' }).click()
    await room.getByRole('status').getByText('Connected').waitFor()
    const message = room.getByLabel('Message')
    for (const [text, problem] of [['{"txet":"hi"}', "message must have required property 'text'"], ['{', 'the message is not valid JSON']]) {
      await message.fill(text)
      await message.press('Control+Enter')
      await room.getByRole('alert').getByText(problem).waitFor()
      t.equal(await message.getAttribute('aria-invalid'), 'true')
      t.equal(await message.evaluate((field: any) => document.getElementById(field.getAttribute('aria-describedby')).textContent.startsWith('Not sent: ')), true)
    }
    t.equal(await log(room).filter({ hasText: 'sent' }).count(), 0)

    await message.fill('{"text":"hi"}')
    await message.press('Control+Enter')
    await log(room).filter({ hasText: 'received' }).waitFor()
    t.equal(await room.getByRole('alert').isVisible(), false)
    t.equal(await message.getAttribute('aria-invalid'), null)
  })

  t.test('the console says that a handshake is refused, and why a connection closes', async (t) => {
    const { app, url } = await serve(t)
    const page = await open(t, browser, url)
    const queue = await openConsole(page, '/queue')
    await queue.getByRole('button', { name: 'Connect' }).click()
    await queue.getByRole('status').getByText('Not connected:').waitFor()
    await queue.getByLabel('token query').fill('s3cret')
    await queue.getByRole('button', { name: 'Connect' }).click()
    await log(queue).filter({ hasText: 'received' }).getByText('0', { exact: true }).waitFor()
    for (const ws of app.websockets) await ws.close(1011, 'on fire')
    await queue.getByRole('status').getByText('Closed: 1011 on fire (The server has failed.)').waitFor()
  })

  t.test('routes of every form and schemas of every kind have their consoles', async (t) => {
    const app: FastifyInstance = await buildAll(websocket, asyncapi, { routePrefix: '/docs/ws' })
    t.teardown(() => app.close())
    const page = await open(t, browser, `http://127.0.0.1:${await listen(app)}/docs/ws/`)
    t.equal(await page.getByRole('main').locator('section').count(), 11)
    const connected = async (address: string): Promise<Locator> => {
      const channel = await openConsole(page, address)
      await channel.locator('[id*=-path-]').fill('a/b')
      await channel.getByRole('button', { name: 'Connect' }).click()
      await channel.getByRole('status').getByText('Connected.').waitFor()
      return channel
    }

    const bytes = await connected('/defined/{optional}')
    await bytes.getByLabel('Message').fill('bytes')
    await bytes.getByRole('button', { name: 'Send' }).click()
    await log(bytes).getByText('5 bytes: 62 79 74 65 73').waitFor()

    const zod = await connected('/zod/room/{room}')
    await zod.getByLabel('Message').fill('{"type":"tree"}')
    await zod.getByRole('button', { name: 'Send' }).click()
    await zod.getByRole('alert').getByText('Not sent').waitFor()
    await zod.getByLabel('Message').fill('{"type":"tree","tree":{"name":"a","kids":[]}}')
    await zod.getByRole('button', { name: 'Send' }).click()
    await log(zod).filter({ hasText: 'sent' }).waitFor()
  })

  t.test('the page works behind a proxy that takes a part of the path away', async (t) => {
    // What such a proxy does to the URL of a request, the app does here.
    const { url } = await serve(t, {}, { rewriteUrl: ({ url }) => url!.replace('/support', '') })
    const page = await open(t, browser, url.replace('/asyncapi', '/support/asyncapi'))
    const queue = await openConsole(page, '/queue')
    await queue.getByLabel('token query').fill('s3cret')
    await queue.getByRole('button', { name: 'Connect' }).click()
    await queue.getByRole('status').getByText('Connected.').waitFor()
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    t.test(`is accessible, by the rules of axe: ${colorScheme}`, async (t) => {
      const { url } = await serve(t)
      const page = await open(t, browser, url, { colorScheme })
      t.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), colorScheme === 'dark' ? 'rgb(21, 23, 27)' : 'rgb(244, 243, 239)')
      const room = await openConsole(page, '/rooms/{room}')
      await room.getByRole('button', { name: 'Connect' }).click()
      await room.getByRole('status').getByText('Connected').waitFor()
      await room.getByRole('button', { name: 'Send' }).click()
      await log(room).filter({ hasText: 'received' }).waitFor()
      await room.getByLabel('Message').fill('{')
      await room.getByRole('button', { name: 'Send' }).click()
      await room.getByRole('alert').waitFor()
      t.same(await violations(page), [])
    })
  }

  t.test('fits a phone, and can be used with the keyboard alone', async (t) => {
    const { url } = await serve(t)
    const page = await open(t, browser, url, { viewport: { width: 360, height: 640 } })
    const room = await openConsole(page, '/rooms/{room}')
    t.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, 'nothing is wider than the screen')
    await room.getByLabel('room').focus()
    for (const name of ['name query', 'subprotocol']) {
      await page.keyboard.press('Tab')
      t.equal(await room.getByLabel(name).evaluate((field: any) => field === document.activeElement), true, name)
    }
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await room.getByRole('status').getByText('Connected').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Control+Enter')
    await log(room).filter({ hasText: 'received' }).waitFor()
  })

  t.test('a guard that refuses the document leaves a message', async (t) => {
    const { url } = await serve(t, { hooks: { onRequest: async (request: any, reply: any) => { if (request.url.endsWith('json')) reply.code(401).send('no') } } })
    const page = await browser.newPage()
    t.teardown(() => page.close())
    await page.goto(url)
    await page.getByRole('alert').getByText('The document was answered with 401.').waitFor()
  })

  t.test('the page can be photographed; with UPDATE_SCREENSHOT, the picture becomes that of docs/asyncapi.md', async (t) => {
    const { url } = await serve(t)
    const page = await open(t, browser, url, { viewport: { width: 900, height: 1250 }, locale: 'en-GB' })
    const room = await openConsole(page, '/rooms/{room}')
    await room.getByRole('button', { name: 'Connect' }).click()
    await room.getByRole('status').getByText('Connected').waitFor()
    await room.getByRole('button', { name: 'Send' }).click()
    await log(room).filter({ hasText: 'received' }).waitFor()
    await room.getByRole('log').evaluate((element: any) => element.scrollIntoView({ block: 'end' }))
    const file = process.env.UPDATE_SCREENSHOT ? resolve(root, 'docs/asyncapi.png') : resolve(t.testdir(), 'asyncapi.png')
    const picture = await page.screenshot({ path: file })
    t.ok(picture.length > 10_000 && picture.length < 150_000, `${picture.length} bytes`)
  })
})
