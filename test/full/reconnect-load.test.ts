import t from 'tap'
import { createApp, listen } from '../helpers/app'
import { closing } from '../helpers/attempts'
import { findChromium } from '../helpers/chromium'
import { ChromiumTab } from '../helpers/chromium-tab'
import { runScript } from '../helpers/script'
import type { FastifyInstance } from 'fastify'

/* Many clients, and many connections of one client. */

const { addPages }: { addPages (app: FastifyInstance): void } = require('../client-load/app.js')

const executable = findChromium()

/** The connections of a page. Set CONNECTIONS for more. */
const CONNECTIONS = Number(process.env.CONNECTIONS ?? 500)

t.test('the attempts of many clients whose server starts again spread over time', async (t) => {
  const { code, output } = await runScript(t, 'test/client-load/storm.js')
  t.equal(code, 0, output)
  const { clients, densestPlanned, up, back } = JSON.parse(output.trim().split('\n').at(-1)!)
  t.equal(clients, 1_000)
  // Spread evenly over the first 500 ms, a fifth of the clients tries within 100 ms. Without a random delay, all of them do.
  t.ok(densestPlanned < 0.4 * clients, `at most ${densestPlanned} attempts are planned for the same 100 ms`)
  // maxDelay, 30 s, bounds the wait of a client that has had many short waits.
  const late = back['100 %'] - up
  t.ok(late < 35_000, `all are back ${late} ms after the server`)
  t.comment(output)
})

t.test('nothing of 1,000 connections is left', async (t) => {
  const { code, output } = await runScript(t, 'test/client-load/leaks.js', '--connections', '1000')
  t.equal(code, 0, output)
  t.comment(output)
})

t.test(`nothing of ${CONNECTIONS} connections is left in a page`, { skip: executable === undefined && 'there is no Chromium' }, async (t) => {
  const app = await createApp(t)
  addPages(app)
  app.websocket('/end', closing(1012))
  const tab = await ChromiumTab.launch(t, executable!)
  await tab.goto(`http://127.0.0.1:${await listen(app)}/`)
  const connect = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 100) await tab.evaluate("page.cycle('/end', 100)")
  }
  await connect(CONNECTIONS / 5)
  const before = await tab.usage()
  await connect(CONNECTIONS)
  const { bytes, listeners } = await tab.usage()
  t.comment(`${bytes - before.bytes} bytes and ${listeners - before.listeners} listeners more`)
  t.ok(bytes - before.bytes < 300 * 1024)
  t.equal(listeners, before.listeners)
})
