import t, { type Test } from 'tap'
import { createApp, listen } from '../helpers/app'
import { findChromium, launchChromium } from '../helpers/chromium'
import type { Frame, Page } from 'playwright-core'
import type { WebSocketPluginOptions } from '../../types/options'

/* Which pages of a browser the option `origins` lets connect. */

// Code in pages uses these names: the compiler options of this package do not include the DOM.
declare const WebSocket: any

const executable = findChromium()
const skip = executable === undefined && 'no Chromium on the PATH nor in CHROMIUM: no page is tested'

interface Site {
  /** The address and port of the site. */
  host: string
  /** The origins that the app has refused. */
  refused: unknown[]
}

/** Starts a site: a page at `/` with a sandboxed frame, and a route at `/ws` that sends the Origin header. */
async function serve (t: Test, options?: WebSocketPluginOptions): Promise<Site> {
  const app = await createApp(t, options)
  const refused: unknown[] = []
  app.addHook('onError', async ({ headers }, _reply, error) => { if (error.statusCode === 403) refused.push(headers.origin) })
  app.get('/', async (_request, reply) => reply.type('text/html').send('<iframe sandbox="allow-scripts" srcdoc="<p>a guest</p>"></iframe>'))
  app.websocket('/ws', async (ws) => {
    await ws.accept()
    await ws.send(String(ws.headers.origin))
  })
  return { host: `127.0.0.1:${await listen(app)}`, refused }
}

/** Connects from `page` to `host`. Resolves with the origin that the server has seen, or with the close code of a refusal. */
async function connect (page: Page | Frame, host: string): Promise<string | number> {
  return await page.evaluate(async (url) => await new Promise((resolve) => {
    const socket = new WebSocket(url)
    socket.onmessage = ({ data }: any) => resolve(data)
    socket.onclose = ({ code }: any) => resolve(code)
  }), `ws://${host}/ws`)
}

t.test('the option origins and a browser', { skip }, async (t) => {
  const browser = await launchChromium(executable!)
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  const open = async (url: string): Promise<Page> => {
    await page.goto(url)
    return page
  }

  t.test('by default, only pages of the same origin connect', async (t) => {
    const { host, refused } = await serve(t)
    const other = await serve(t)
    const byName = host.replace('127.0.0.1', 'localhost')

    t.equal(await connect(await open(`http://${host}`), host), `http://${host}`)
    t.equal(await connect(await open(`http://${byName}`), byName), `http://${byName}`)
    t.same(refused, [])

    const another = [`http://${other.host}`, `http://${byName}`]
    for (const origin of another) t.equal(await connect(await open(origin), host), 1006, origin)
    t.equal(await connect(await open(`file://${__filename}`), host), 1006, 'a file')
    t.equal(await connect((await open(`http://${host}`)).frames()[1], host), 1006, 'a sandboxed frame')
    t.same(refused, [...another, 'null', 'null'])
  })

  t.test('with a list, only pages of the listed origins connect', async (t) => {
    const other = await serve(t)
    const { host, refused } = await serve(t, { origins: [`http://${other.host}`] })
    t.equal(await connect(await open(`http://${other.host}`), host), `http://${other.host}`)
    t.equal(await connect(await open(`http://${host}`), host), 1006)
    t.same(refused, [`http://${host}`])
  })

  t.test("all pages connect with '*'", async (t) => {
    const other = await serve(t)
    const { host } = await serve(t, { origins: '*' })
    t.equal(await connect(await open(`http://${other.host}`), host), `http://${other.host}`)
    t.equal(await connect((await open(`http://${host}`)).frames()[1], host), 'null')
  })
})
