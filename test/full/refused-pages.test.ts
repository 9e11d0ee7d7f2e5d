import t, { type Test } from 'tap'
import { createApp, listen } from '../helpers/app'
import { findChromium, launchChromium } from '../helpers/chromium'
import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import type { WebSocketPluginOptions } from '../../types/options'

/* What the script of a page can read of a refusal. */

// Code in pages uses these names: the compiler options of this package do not include the DOM.
declare const WebSocket: any

const executable = findChromium()
const skip = executable === undefined && 'no Chromium on the PATH nor in CHROMIUM: no page is tested'

/** Adds routes that refuse in different ways. */
function addRoutes (app: FastifyInstance): void {
  app.websocket('/hook', { preHandler: async () => { throw Object.assign(new Error('who are you?'), { statusCode: 401 }) } }, () => {})
  app.websocket('/validation', { schema: { querystring: { type: 'object', required: ['name'] } } }, () => {})
  app.websocket('/origin', { websocket: { origins: ['https://example.com'] } }, () => {})
  app.websocket('/full', { websocket: { maxConnections: 1 } }, async (ws) => { await (await ws.accept()).closed })
  app.websocket('/deny', (ws) => ws.deny(423, { message: 'the room is locked' }))
  app.websocket('/close', (ws) => ws.close(4001, 'no room'))
  app.websocket('/throw', () => { throw new Error('thrown') })
}

/** The close code and the reason that a page gets from each route. */
const TOLD = {
  hook: [4401, 'who are you?'],
  validation: [4400, "querystring must have required property 'name'"],
  origin: [4403, 'Forbidden'],
  full: [4503, 'too many connections'],
  deny: [4423, 'the room is locked'],
  close: [4001, 'no room'],
  throw: [4500, 'thrown']
}

/** Opens a page of an app with these routes. Returns the host. */
async function openPage (t: Test, page: Page, options: WebSocketPluginOptions): Promise<string> {
  const app = await createApp(t, options)
  app.get('/', async (_request, reply) => reply.type('text/html').send('<p>a page'))
  addRoutes(app)
  const host = `127.0.0.1:${await listen(app)}`
  await page.goto(`http://${host}`)
  return host
}

/** Connects to the URL `path` from the page. Resolves with code and reason of the close; with `stays`, with 'open' when it is open. */
async function end (page: Page, path: string, { stays = false, subprotocols = [] as string[] } = {}): Promise<unknown> {
  return await page.evaluate(async ([path, stays, subprotocols]) => await new Promise((resolve) => {
    const socket = new WebSocket(path, subprotocols)
    if (stays) socket.onopen = () => resolve('open')
    socket.onclose = ({ code, reason }: any) => resolve([code, reason])
  }), [path, stays, subprotocols] as const)
}

t.test('refusals in a browser', { skip }, async (t) => {
  const browser = await launchChromium(executable!)
  t.teardown(() => browser.close())
  const page = await browser.newPage()

  for (const subprotocols of [[], ['chat.v2', 'chat.v1']]) {
    t.test(`with refusal: 'auto' a page that offers ${subprotocols.length} subprotocols reads code and reason of every refusal`, async (t) => {
      const host = await openPage(t, page, { refusal: 'auto' })
      t.equal(await end(page, `ws://${host}/full`, { stays: true }), 'open')
      for (const [name, [code, reason]] of Object.entries(TOLD)) {
        const told = await end(page, `ws://${host}/${name}`, { subprotocols })
        t.same(told, [code, reason], name)
      }
    })
  }

  t.test('by default, a refusal is an HTTP response, of which a page reads nothing', async (t) => {
    const host = await openPage(t, page, {})
    await end(page, `ws://${host}/full`, { stays: true })
    for (const name of Object.keys(TOLD)) t.same(await end(page, `ws://${host}/${name}`), [1006, ''], name)
  })
})
