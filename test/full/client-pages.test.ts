import { once } from 'node:events'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { createApp, listen } from '../helpers/app'
import { findChromium, launchChromium } from '../helpers/chromium'
import { blocks, codeBelow, isOfPage, root } from '../helpers/docs'
import { runBlock } from '../helpers/run-block'
import { until } from '../helpers/until'
import type { FastifyInstance } from 'fastify'
import type { Browser, Page } from 'playwright-core'

/* Runs the pages of docs/client.md, and the server and the page of the README, in a browser. */

const PAGE = 'docs/client.md'

// Code in pages uses this name: the compiler options of this package do not include the DOM.
declare const document: any

const executable = findChromium()
const skip = executable === undefined && 'no Chromium on the PATH nor in CHROMIUM: no page is tested'

const APP = `
  import Fastify from 'fastify'
  import websocket from 'fastify-async-websocket'
  const app = Fastify()
  await app.register(websocket)
`
const LISTEN = "\nconsole.log('listening on', await app.listen({ port: 3000 }))"

/** Runs a server as a process of its own, which serves the page, too. Resolves with its address. */
async function start (t: Test, code: string, html: string): Promise<string> {
  const page = `app.get('/page', async (request, reply) => reply.type('text/html').send(${JSON.stringify(html)}))`
  const { child, ended } = runBlock({ language: 'ts', code: code.replace("console.log('listening", (listening) => `${page}\n${listening}`) })
  t.teardown(() => { child.kill() })
  const line = await Promise.race([once(child.stdout!, 'data'), ended.then(({ stderr }) => { throw new Error(stderr) })])
  return /http:\S+/.exec(String(line))![0]
}

/** Lets `app` listen, and serve the page, too. Resolves with its address. */
async function serve (app: FastifyInstance, html: string): Promise<string> {
  app.get('/page', async (_request, reply) => reply.type('text/html').send(html))
  return `http://127.0.0.1:${await listen(app)}`
}

/** The first block of TypeScript of a page in a browser below `heading`. */
function pageBelow (heading: string, page = PAGE): string {
  return codeBelow(page, heading, 'ts').find((code) => isOfPage({ page, line: 0, language: 'ts', code }))!
}

/** A page with a block of TypeScript, which esbuild has bundled. */
async function bundled (code: string): Promise<string> {
  const { outputFiles } = await build({ stdin: { contents: code, loader: 'ts', resolveDir: root }, bundle: true, format: 'esm', write: false })
  return `<!doctype html><body><script type="module">${outputFiles[0].text}</script>`
}

/** Opens the page that a server serves. */
async function visit (t: Test, browser: Browser, origin: string): Promise<Page> {
  const page = await browser.newPage()
  t.teardown(() => page.close())
  page.on('pageerror', (error) => t.error(error))
  await page.goto(`${origin}/page`)
  return page
}

/** Waits until `page` shows `text`, and nothing else, and asserts that. */
async function shows (t: Test, page: Page, text: string): Promise<void> {
  await page.waitForFunction((text) => document.body.innerText.trim() === text, text, { timeout: 10_000 })
  t.pass(`shows ${text}`)
}

t.test('the pages of the client in a browser', { skip }, async (t) => {
  const browser = await launchChromium(executable!)
  t.teardown(() => browser.close())

  for (const [page, heading, before, after] of [['README.md', '## Server and page', APP, LISTEN], [PAGE, '## The first five minutes', '', '']]) {
    t.test(`two visitors of the page of ${page} talk over its server`, async (t) => {
      const [server] = codeBelow(page, heading, 'ts')
      const origin = await start(t, before + server + after, await bundled(pageBelow(heading, page)))
      const ada = await visit(t, browser, origin)
      await until(async () => { // the first visitor may subscribe after the second has spoken
        await visit(t, browser, origin)
        return await ada.evaluate(() => document.body.innerText.startsWith('ada: hi'))
      })
      t.pass('the first has heard a later one')
    })
  }

  t.test('a page without a build step shows its status, and imports the module that the app serves', async (t) => {
    const [html] = codeBelow(PAGE, '## Status in a page', 'html')
    const origin = await start(t, `${APP}${codeBelow(PAGE, '## The first five minutes', 'ts').at(-1)}
      let count = 0
      app.websocket('/news', async (ws) => {
        await ws.accept()
        await ws.send('news ' + ++count)
        await ws.closed
      })
      app.get('/close', async (request) => {
        for (const ws of app.websockets) ws.close(Number(request.query.code), 'because of the test')
      })
      ${LISTEN}`, `<!doctype html><meta charset="utf-8"><body>${html}`)
    const page = await visit(t, browser, origin)
    await shows(t, page, 'Connected\n\nnews 1')
    await fetch(`${origin}/close?code=4001`)
    await shows(t, page, 'Connected\n\nnews 1\nnews 2')
    await fetch(`${origin}/close?code=4401`)
    await shows(t, page, 'Closed: because of the test\n\nnews 1\nnews 2')
  })

  t.test('connect', async (t) => {
    const app = await createApp(t)
    app.websocket('/echo', { websocket: { subprotocols: ['echo.v1'] } }, async (ws) => {
      await ws.accept()
      for await (const message of ws) await ws.send(message)
    })
    const origin = await serve(app, await bundled(pageBelow('## connect')))
    await shows(t, await visit(t, browser, origin), 'hello')
  })

  t.test('a page that was away gets what it has missed', async (t) => {
    const [, server] = codeBelow(PAGE, '## Nothing missed', 'ts')
    const code = server.replace("console.log('listening", (listening) => `
      app.post('/cut', async (request) => {
        for (const ws of app.websockets) ws.terminate()
        return await app.websockets.publish('news', request.body)
      })
      ${listening}`)
    const origin = await start(t, code, await bundled(pageBelow('## Nothing missed')))
    const post = (path: string, text: string): Promise<unknown> =>
      fetch(`${origin}${path}`, { method: 'POST', body: text, headers: { 'content-type': 'text/plain' } })
    const page = await visit(t, browser, origin)
    await shows(t, page, 'from here on:')
    await post('/cut', 'one')
    await shows(t, page, 'from here on: one')
    await post('/cut', 'two')
    await post('/news', 'three')
    await shows(t, page, 'from here on: one two three')
  })

  t.test('a page asks for a new ticket before each attempt, and goes to the login page at the end', async (t) => {
    const app = await createApp(t, { refusal: 'auto' })
    let tickets = 0
    app.post('/ticket', async () => ({ ticket: ++tickets }))
    app.websocket('/inbox', async (ws) => {
      const { ticket } = ws.query as { ticket: string }
      if (ticket === '3') return await ws.deny(401)
      await ws.accept()
      await ws.send(`with ticket ${ticket} `)
      await ws.closed
    })
    app.get('/login', async () => 'the login page')
    const origin = await serve(app, await bundled(pageBelow('## Tokens')))
    const page = await visit(t, browser, origin)
    await shows(t, page, 'with ticket 1')
    for (const ws of app.websockets) ws.terminate()
    await shows(t, page, 'with ticket 1 with ticket 2')
    for (const ws of app.websockets) ws.close(1012)
    await shows(t, page, 'the login page')
  })

  t.test('a page takes a server that is silent for gone', async (t) => {
    const app = await createApp(t)
    let count = 0
    app.websocket('/prices', async (ws) => {
      await ws.accept()
      await ws.send(`price ${++count} `)
      await ws.closed
    })
    const code = pageBelow('## A server that is gone').replace('30_000', '200')
    const page = await visit(t, browser, await serve(app, await bundled(code)))
    await page.waitForFunction(() => document.body.innerText.startsWith('price 1 price 2'), undefined, { timeout: 10_000 })
    t.pass('has connected again')
  })

  t.test('the tests above have opened all pages of the client', async (t) => {
    t.equal(blocks.filter(({ language, page }) => language === 'html' && page === PAGE).length, 1)
    t.equal(blocks.filter((block) => block.page === PAGE && isOfPage(block)).length, 5)
  })
})
