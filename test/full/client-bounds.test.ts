import t, { type Test } from 'tap'
import { Deferred } from '../../lib/base/deferred'
import { createApp, listen } from '../helpers/app'
import { BROWSERS } from '../helpers/browsers'
import { ChromiumTab } from '../helpers/chromium-tab'
import type { FastifyInstance } from 'fastify'
import type { CloseInfo } from '../../types/message'

/* The memory of a page whose server does not read, and of a page that does not take what it receives. */

const { addPages }: { addPages (app: FastifyInstance): void } = require('../client-load/app.js')

const KB = 1024

/** In bytes: the length of each message. */
const LENGTH = 64 * KB

/** In ms: a `send` that takes so long waits for the server. */
const STALLED = 1_000

/** In messages: several times what the buffers of the browser, of the kernel and of the server hold together. */
const MANY = 500

/** Sends messages in a loop until a `send` waits. Resolves with the bytes that were sent and those that are buffered in the page. */
const FILL = `(async () => {
  globalThis.ws = await page.connect('/silent')
  const data = 'a'.repeat(${LENGTH})
  globalThis.sent = 0
  globalThis.sending = (async () => {
    while (sent < ${MANY}) {
      await ws.send(data)
      sent++
    }
  })()
  let before
  do {
    before = sent
    await new Promise((resolve) => setTimeout(resolve, ${STALLED}))
  } while (sent > before)
  return { sent, bufferedAmount: ws.bufferedAmount }
})()`

/** The same loop with a plain WebSocket, which has nothing to wait for. */
const FLOOD = `(async () => {
  const socket = new WebSocket(new URL('/silent', location.href.replace('http', 'ws')))
  await new Promise((resolve) => { socket.onopen = resolve })
  const data = 'a'.repeat(${LENGTH})
  for (let n = 0; n < ${MANY}; n++) socket.send(data)
  return { bufferedAmount: socket.bufferedAmount }
})()`

/** An app whose route /silent receives nothing before `resume` is called. */
async function serveSilent (t: Test): Promise<{ origin: string, resume: () => void, received: () => number }> {
  const app = await createApp(t, { receiveHighWaterMark: LENGTH })
  addPages(app)
  const resumed = new Deferred<void>()
  let received = 0
  app.websocket('/silent', async (ws) => {
    await ws.accept()
    await resumed.promise
    for await (const message of ws) received += message.length
  })
  return { origin: `http://127.0.0.1:${await listen(app)}`, resume: () => resumed.resolve(), received: () => received }
}

for (const [browser, { missing, launch }] of Object.entries(BROWSERS)) {
  t.test(`in ${browser}`, { skip: missing }, async (t) => {
    const tab = await launch(t)

    await t.test('send in a loop to a server that does not read waits, and goes on when the server reads', async (t) => {
      const { origin, resume, received } = await serveSilent(t)
      await tab.goto(`${origin}/`)
      const before = tab instanceof ChromiumTab ? (await tab.usage()).bytes : 0
      const { sent, bufferedAmount } = await tab.evaluate(FILL)
      t.ok(sent > 0 && sent < MANY / 4, `${sent} messages were sent`)
      t.ok(bufferedAmount > LENGTH && bufferedAmount <= 2 * LENGTH, `${bufferedAmount} bytes are buffered: more than sendHighWaterMark, by at most one message`)
      if (tab instanceof ChromiumTab) {
        const growth = (await tab.usage()).bytes - before
        t.ok(growth < 1024 * KB, `the memory of the page has grown by ${Math.round(growth / KB)} KiB`)
      }
      resume()
      await tab.evaluate('sending.then(() => ws.close()).then(() => true)')
      t.equal(received(), MANY * LENGTH)
    })

    await t.test('a plain WebSocket in the same loop buffers everything', async (t) => {
      const { origin, resume } = await serveSilent(t)
      await tab.goto(`${origin}/`)
      const { bufferedAmount } = await tab.evaluate(FLOOD)
      t.ok(bufferedAmount > MANY * LENGTH / 2, `${Math.round(bufferedAmount / KB)} KiB are buffered`)
      resume()
    })

    await t.test('a page that does not take what it receives is closed with 4008 at receiveLimit', async (t) => {
      const app = await createApp(t)
      addPages(app)
      const end = new Deferred<CloseInfo>()
      app.websocket('/flood', async (ws) => {
        await ws.accept()
        end.resolve(ws.closed)
        for (;;) await ws.send('a'.repeat(LENGTH))
      })
      await tab.goto(`http://127.0.0.1:${await listen(app)}/`)
      const { info, taken } = await tab.evaluate(`(async () => {
        const ws = await page.connect('/flood', { receiveLimit: ${4 * LENGTH} })
        const info = await ws.closed
        let taken = 0
        try {
          for (;;) taken += (await ws.receive()).length
        } catch {}
        return { info, taken }
      })()`)
      t.match(info, { code: 4008, wasClean: true })
      t.match(await end.promise, { code: 4008, reason: /receiveLimit/ })
      t.equal(taken, 5 * LENGTH, 'what had arrived by then can be taken')
    })
  })
}
