import { resolve } from 'node:path'
import t, { type Test } from 'tap'
import { findChromium, launchChromium } from '../helpers/chromium'
import { examples, root } from '../helpers/example'
import { until } from '../helpers/until'
import { Visitor } from '../helpers/visitor'
import type { FastifyInstance } from 'fastify'
import type { Browser, BrowserContextOptions, Locator, Page, WebSocketRoute } from 'playwright-core'

const LIMIT = 10_000

// Code in pages uses these names: the compiler options of this package do not include the DOM.
declare const document: any
declare const getComputedStyle: any
declare const addEventListener: any

async function build (t: Test, file = 'chat/server.js'): Promise<FastifyInstance> {
  const app = await require(resolve(examples, file)).build()
  t.teardown(() => app.close())
  return app
}

const { join } = Visitor

t.test('the server', async (t) => {
  t.test('the server welcomes a user with the people and the messages of the room, and tells the others', async (t) => {
    const app = await build(t)
    const ada = await join(app, 'lobby', 'ada')
    t.match(ada, { people: ['ada'], said: [] })
    const hello = await ada.pair({ type: 'message', text: 'hello' })
    t.match(hello, { name: 'ada', text: 'hello', id: /^[\da-f-]{36}$/, at: Number })

    const grace = await join(app, 'lobby', 'grace')
    t.same(grace.people, ['ada', 'grace'])
    t.same(grace.said, [hello])
    t.same(await ada.receive(), { type: 'joined', name: 'grace', people: ['ada', 'grace'] })

    await grace.close()
    t.same(await ada.receive(), { type: 'left', name: 'grace', people: ['ada'] })
  })

  t.test('the server sends a message to all users of the room, and typing only to the others', async (t) => {
    const app = await build(t)
    const ada = await join(app, 'lobby', 'ada')
    const grace = await join(app, 'lobby', 'grace')
    await ada.receive()

    await ada.send({ type: 'typing', typing: true })
    t.same(await grace.receive(), { type: 'typing', name: 'ada', typing: true })
    await ada.send({ type: 'message', id: 'one', text: 'hello' })
    const message = await ada.receive()
    t.match(message, { id: 'one', name: 'ada', text: 'hello' })
    t.same(await grace.receive(), message)
  })

  t.test('the server sends nothing from one room to another', async (t) => {
    const app = await build(t)
    const ada = await join(app, 'one', 'ada')
    await ada.pair({ type: 'message', text: 'hello' })

    const grace = await join(app, 'two', 'grace')
    t.match(grace, { people: ['grace'], said: [] })
    t.equal((await grace.pair({ type: 'message', text: 'is anybody here?' })).name, 'grace')
    t.equal((await ada.pair({ type: 'message', text: 'hello again' })).name, 'ada')
  })

  t.test('the server counts two pages with the same name as one person', async (t) => {
    const app = await build(t)
    const grace = await join(app, 'lobby', 'grace')
    const first = await join(app, 'lobby', 'ada')
    t.equal((await grace.receive()).type, 'joined')
    const second = await join(app, 'lobby', 'ada')
    t.same(second.people, ['grace', 'ada'])

    await first.close()
    t.equal((await second.pair({ type: 'message', text: 'still here' })).text, 'still here')
    t.equal((await grace.receive()).text, 'still here')
    await second.close()
    t.same(await grace.receive(), { type: 'left', name: 'ada', people: ['grace'] })
  })

  t.test('the server keeps the last 50 messages of a room', async (t) => {
    const app = await build(t)
    const ada = await join(app, 'lobby', 'ada')
    for (let n = 0; n < 52; n++) await ada.pair({ type: 'message', text: String(n) })

    const grace = await join(app, 'lobby', 'grace')
    t.strictSame(grace.texts, Array.from({ length: 50 }, (_, n) => String(n + 2)))
  })

  t.test('a user who comes back gets what was said meanwhile', async (t) => {
    const app = await build(t)
    const grace = await join(app, 'lobby', 'grace')
    const ada = await join(app, 'lobby', 'ada')
    await ada.close()
    await grace.send({ type: 'message', text: 'one' })
    await grace.hear('one')

    const second = await join(app, 'lobby', 'ada', ada.position)
    t.match(second, { texts: ['one'], afresh: 0 }, 'a user who has got no message has a position, too')
    await grace.send({ type: 'message', text: 'two' })
    await second.hear('two')
    await second.close()
    await grace.send({ type: 'message', text: 'three' })
    await grace.hear('three')

    t.match(await join(app, 'lobby', 'ada', second.position), { texts: ['three'], afresh: 0 })
  })

  t.test('a user who comes back when the room no longer has what was said meanwhile gets the newest messages afresh', async (t) => {
    const app = await build(t)
    const grace = await join(app, 'lobby', 'grace')
    for (let n = 0; n < 52; n++) await grace.pair({ type: 'message', text: String(n) })

    for (const after of ['unknown', (await join(await build(t), 'lobby', 'ada')).position]) {
      const ada = await join(app, 'lobby', 'ada', after)
      t.strictSame(ada.texts, grace.texts.slice(-50))
      t.equal(ada.afresh, 1)
      await ada.pair({ type: 'message', text: 'hello' })
      const again = await join(app, 'lobby', 'ada', ada.position)
      t.match(again, { texts: [], afresh: 0 })
      await grace.hear('hello')
    }
  })

  t.test('the server refuses invalid names of users and rooms', async (t) => {
    const app = await build(t)
    const refusal: any = { name: 'WebSocketUpgradeError', statusCode: 400 }
    for (const name of ['', ' ', ' ada', 'ada  lovelace', 'a'.repeat(33)]) {
      await t.rejects(join(app, 'lobby', name), refusal, JSON.stringify(name))
    }
    await t.rejects((app as any).injectWebSocket('/chat/lobby'), refusal, 'no name')
    await t.rejects(join(app, 'lobby', 'ada', 'ä'), refusal, 'no position')
    await t.rejects(join(app, 'not a room', 'ada'), refusal)
    t.equal((await app.inject('/room/not%20a%20room')).statusCode, 400)
  })

  t.test('the server closes the connection of a client that sends an invalid message', async (t) => {
    const app = await build(t)
    const grace = await join(app, 'lobby', 'grace')
    const misfits: [unknown, RegExp][] = [
      [{ type: 'message', text: '  ' }, /text must match pattern/],
      [{ type: 'message', text: 'a'.repeat(2001) }, /text must NOT have more than 2000 characters/],
      [{ type: 'message' }, /must have required property 'text'/],
      [{ type: 'typing' }, /must have required property 'typing'/],
      [{ type: 'shout', text: 'hello' }, /value of tag "type" must be in oneOf/],
      [{ text: 'hello' }, /tag "type" must be string|must have required property 'type'/]
    ]
    for (const [misfit, error] of misfits) {
      const ada = await join(app, 'lobby', 'ada')
      t.match(await ada.pair(misfit as object), { code: 1008, error })
      t.equal((await ada.client.closed).code, 1008)
      t.equal((await grace.receive()).type, 'joined')
      t.same(await grace.receive(), { type: 'left', name: 'ada', people: ['grace'] })
    }
  })
})

const executable = findChromium()
const skip = executable === undefined && 'no Chromium on the PATH nor in CHROMIUM: the pages are not tested'

t.test('the page', { skip }, async (t) => {
  const browser = await launchChromium(executable!)
  t.teardown(() => browser.close())

  t.test('the page asks for a name, and works with the keyboard alone', async (t) => {
    const base = await serve(t)
    const page = await newPage(t, browser)
    await page.goto(base)

    t.equal(await focused(page), 'Your name')
    await page.keyboard.type('  Ada   Lovelace ')
    await page.keyboard.press('Tab')
    t.equal(await focused(page), 'Room')
    t.equal(await page.getByLabel('Room').inputValue(), 'lobby')
    await page.keyboard.press('Tab')
    t.equal(await focused(page), 'Join')
    await page.keyboard.press('Enter')

    await connected(page)
    t.equal(page.url(), `${base}/room/lobby?name=Ada+Lovelace`)
    t.equal(await page.title(), 'lobby · Chat')
    t.equal(await focused(page), 'Message')
    await page.keyboard.type('first line')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('second line')
    await page.keyboard.press('Enter')
    await arrived(page, 'first line\nsecond line')
    t.equal(await box(page).inputValue(), '')

    await page.keyboard.type('sent with the button')
    await page.keyboard.press('Tab')
    t.equal(await focused(page), 'Send')
    await page.keyboard.press('Space')
    await arrived(page, 'sent with the button')

    t.equal(await focused(page), 'Message', 'the focus is in the box again')
    await page.keyboard.press('Enter')
    t.equal(await log(page).locator('.message').count(), 2, 'an empty message is not sent')
    await page.keyboard.press('Shift+Tab')
    t.equal(await focused(page), 'Messages', 'the log can be scrolled')
    await page.keyboard.press('Shift+Tab')
    t.equal(await focused(page), 'Leave')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${base}/`)
  })

  t.test('the page has roles and landmarks', async (t) => {
    const page = await enter(t, browser, await serve(t), 'Ada')

    await page.getByRole('banner').getByRole('heading', { level: 1, name: '# lobby' }).waitFor()
    await page.getByRole('banner').getByRole('status').getByText('Connected').waitFor()
    await page.getByRole('complementary', { name: 'Here now' }).getByRole('listitem').waitFor()
    await page.getByRole('main').getByRole('log', { name: 'Messages' }).waitFor()
    t.equal(await box(page).getAttribute('aria-describedby'), 'keys')
    t.equal(await page.locator('html').getAttribute('lang'), 'en')
  })

  t.test('two people talk, and see each other join, type and leave', async (t) => {
    const base = await serve(t)
    const ada = await enter(t, browser, base, 'Ada')
    t.strictSame(await people(ada), ['Ada (you)'])
    const grace = await enter(t, browser, base, 'Grace')
    await log(ada).getByText('Grace joined').waitFor()
    t.strictSame(await people(ada), ['Ada (you)', 'Grace'])
    t.strictSame(await people(grace), ['Ada', 'Grace (you)'])

    await box(grace).pressSequentially('hello A')
    await ada.getByText('Grace is typing…').waitFor()
    await box(grace).fill('')
    await ada.getByText('Grace is typing…').waitFor({ state: 'detached' })

    await box(grace).pressSequentially('hello Ada')
    await ada.getByText('Grace is typing…').waitFor()
    await grace.keyboard.press('Enter')
    await arrived(ada, 'hello Ada')
    await ada.getByText('Grace is typing…').waitFor({ state: 'detached' })
    await say(ada, 'hello Grace')
    await arrived(grace, 'hello Grace')
    t.strictSame(await messages(ada), ['Grace: hello Ada', 'Ada: hello Grace'])
    t.strictSame(await messages(grace), await messages(ada))

    const linus = await enter(t, browser, base, 'Linus')
    await arrived(linus, 'hello Grace')
    t.strictSame(await messages(linus), await messages(ada), 'a user that joins later sees the history')

    await grace.getByRole('link', { name: 'Leave' }).click()
    await log(ada).getByText('Grace left').waitFor()
    t.strictSame(await people(ada), ['Ada (you)', 'Linus'])
  })

  t.test('after a while without input, the page says that its user has stopped typing', async (t) => {
    const app = await build(t)
    const page = await newPage(t, browser)
    await page.clock.install()
    await page.goto(`${await listen(app)}/room/lobby?name=Ada`)
    await connected(page)
    const grace = await join(app, 'lobby', 'Grace')

    await box(page).pressSequentially('hel')
    t.same(await grace.receive(), { type: 'typing', name: 'Ada', typing: true })
    await page.clock.fastForward(3_000)
    t.same(await grace.receive(), { type: 'typing', name: 'Ada', typing: false })
    t.equal(await box(page).inputValue(), 'hel')
  })

  t.test('the page shows HTML as text', async (t) => {
    const base = await serve(t)
    const name = '<b onclick=x>Eve</b>'
    const text = '<img src=x onerror="document.title = \'injected\'"><script>document.title = "injected"</script>'
    const ada = await enter(t, browser, base, 'Ada')
    const eve = await enter(t, browser, base, name)

    await box(eve).fill(text)
    await ada.getByText(`${name} is typing…`).waitFor()
    await eve.keyboard.press('Enter')
    await arrived(ada, text)

    t.strictSame(await people(ada), ['Ada (you)', name])
    t.strictSame(await messages(ada), [`${name}: ${text}`])
    for (const page of [ada, eve]) {
      t.equal(await page.locator('body').locator('img, b, script').count(), 0)
      t.equal(await page.title(), 'lobby · Chat')
    }
  })

  t.test('the text of the page has enough contrast, in the light and in the dark scheme', async (t) => {
    const app = await build(t)
    const page = await enter(t, browser, await listen(app), 'Ada')
    const grace = await join(app, 'lobby', 'Grace')
    await grace.send({ type: 'message', text: 'hello Ada' })
    await arrived(page, 'hello Ada')
    await say(page, 'hello Grace')
    await arrived(page, 'hello Grace')
    await grace.send({ type: 'typing', typing: true })
    await page.getByText('Grace is typing…').waitFor()

    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const [text, background] = await luminances(page.locator('body'))
      t.equal(text < background, colorScheme === 'light', colorScheme)
      for (const selector of ['body', 'h1', '#status', '#leave', '#people-title', '.person >> nth=0', '.person >> nth=1', '.notice', '.mine .text',
        '.mine time', '.theirs .author', '.theirs .text', '.theirs time', '#typing', 'textarea', '#compose button']) {
        const ratio = await contrast(page.locator(selector))
        t.ok(ratio >= 4.5, `${selector}: ${ratio.toFixed(2)}`)
      }
    }
  })

  t.test('the page fits a phone 360 pixels wide', async (t) => {
    const app = await build(t)
    const base = await listen(app)
    const viewport = { width: 360, height: 640 }
    const page = await newPage(t, browser, { viewport })
    await page.goto(base)
    await page.getByLabel('Your name').waitFor()
    t.equal(await width(page), 360)

    for (let n = 0; n < 20; n++) await join(app, 'lobby', `${n} has a name that is too long`)
    const ada = await enter(t, browser, base, 'Ada', { viewport })
    await say(ada, 'long'.repeat(100))
    for (let n = 0; n < 10; n++) await say(ada, `a message that takes more than one line, number ${n}`)
    await arrived(ada, 'number 9')
    t.equal(await width(ada), 360)
    for (const name of ['Message', 'Send']) {
      const { x, y, width, height } = (await ada.getByLabel(name, { exact: true }).or(ada.getByRole('button', { name, exact: true })).boundingBox())!
      t.ok(x >= 0 && x + width <= 360 && y >= 0 && y + height <= 640, `${name} is on the page`)
    }
    t.ok(await log(ada).evaluate((log) => log.scrollWidth <= log.clientWidth), 'a long word is broken')
    t.ok(await log(ada).evaluate((log) => log.clientHeight > 200 && log.scrollTop + log.clientHeight >= log.scrollHeight - 1), 'the last message is in view')
  })

  t.test('the page reconnects after a restart of the server, and sends what its user wrote meanwhile', async (t) => {
    const first = await build(t)
    const base = await listen(first)
    const ada = await enter(t, browser, base, 'Ada', { reducedMotion: 'reduce' })
    const grace = await enter(t, browser, base, 'Grace', { reducedMotion: 'no-preference' })
    await say(ada, 'before')
    await arrived(grace, 'before')
    await box(grace).fill('a draft')
    await ada.getByText('Grace is typing…').waitFor()

    await first.close()
    await status(ada, 'Reconnecting…')
    await status(grace, 'Reconnecting…')
    t.equal(await ada.locator('#typing').textContent(), '')
    t.equal(await pulse(ada), 'none')
    t.equal(await pulse(grace), 'pulse')
    await say(ada, 'meanwhile, one')
    await say(ada, 'meanwhile, two')
    t.strictSame(await marks(ada), [['Not sent yet', 'hidden'], ['Not sent yet', 'hidden']], 'the mark is hidden for a moment')
    await ada.evaluate(() => document.getAnimations().forEach((animation: any) => animation.finish()))
    t.strictSame(await marks(ada), [['Not sent yet', 'visible'], ['Not sent yet', 'visible']])

    const second = await build(t)
    await listen(second, Number(new URL(base).port))
    await connected(ada)
    await connected(grace)
    await arrived(grace, 'meanwhile, two')
    t.equal(await box(grace).inputValue(), 'a draft')
    await grace.keyboard.press('Enter')
    await arrived(ada, 'a draft')
    t.strictSame(await messages(ada), ['Ada: meanwhile, one', 'Ada: meanwhile, two', 'Grace: a draft'], 'the new process does not have what was said before')
    t.strictSame(await messages(grace), await messages(ada))
    t.strictSame(await marks(ada), [])
    t.strictSame((await people(ada)).sort(), ['Ada (you)', 'Grace'])
  })

  t.test('a page whose own connection was lost gets the messages that it has missed', async (t) => {
    const app = await build(t)
    const ada = await enter(t, browser, await listen(app), 'Ada')
    await say(ada, 'before')
    await arrived(ada, 'before')
    const grace = await join(app, 'lobby', 'Grace')
    await log(ada).getByText('Grace joined').waitFor()

    for (const ws of (app as any).websockets) if (ws.query.name === 'Ada') ws.terminate()
    await grace.send({ type: 'message', text: 'are you there?' })
    await status(ada, 'Reconnecting…')
    await arrived(ada, 'are you there?')
    await say(ada, 'yes')
    await arrived(ada, 'yes')

    const entries = (await log(ada).getByRole('listitem').allTextContents()).map((entry) => entry.replace(/\d.*$/, ''))
    t.strictSame(entries, ['Adabefore', 'Grace joined', 'Graceare you there?', 'Adayes'])
    const heard = []
    while (heard.at(-1) !== 'yes') {
      const { type, text } = await grace.receive()
      if (type !== 'typing') heard.push(text ?? type)
    }
    t.strictSame(heard, ['left', 'are you there?', 'joined', 'yes'])
  })

  t.test('when the page may have missed messages, it shows the newest ones in place of those that it has', async (t) => {
    const app = await build(t)
    const page = await enter(t, browser, await listen(app), 'Ada')
    const grace = await join(app, 'lobby', 'Grace')
    const [one, two] = [await grace.pair({ type: 'message', text: 'one' }), await grace.pair({ type: 'message', text: 'two' })]
    await arrived(page, 'two')

    for (const ws of (app as any).websockets) {
      ws.send({ type: 'afresh' })
      for (const data of [two, { ...one, id: 'three', name: 'Linus', text: 'three' }]) ws.send({ topic: 'room:lobby', position: '1', data })
      ws.send({ type: 'welcome', people: ['Ada', 'Grace', 'Linus'] })
    }
    await arrived(page, 'three')
    t.strictSame(await messages(page), ['Grace: two', 'Linus: three'])
    t.equal(await log(page).locator('.follows').count(), 0, 'no two messages in a row have the same author')
    await page.locator('#log:not([aria-busy])').waitFor()
    t.strictSame(await people(page), ['Ada (you)', 'Grace', 'Linus'])
  })

  t.test('the page shows a message once that its author has sent twice', async (t) => {
    const app = await build(t)
    const page = await enter(t, browser, await listen(app), 'Ada')
    const grace = await join(app, 'lobby', 'Grace')
    for (const text of ['hello', 'hello', 'bye']) await grace.send({ type: 'message', id: text, text })

    await arrived(page, 'bye')
    t.strictSame(await messages(page), ['Grace: hello', 'Grace: bye'])
  })

  t.test('the page shows messages that the server does not have yet below all others', async (t) => {
    const app = await build(t)
    const base = await listen(app)
    const page = await newPage(t, browser)
    const held: (string | Buffer)[] = []
    let server: WebSocketRoute
    await page.routeWebSocket(/\/chat\//, (route) => {
      server = route.connectToServer()
      route.onMessage((message) => held.push(message))
    })
    await page.goto(`${base}/room/lobby?name=Ada`)
    await connected(page)

    await say(page, 'on its way, one')
    await say(page, 'on its way, two')
    const grace = await join(app, 'lobby', 'Grace')
    await grace.send({ type: 'message', text: 'hello' })
    await arrived(page, 'hello')
    t.strictSame(await messages(page), ['Grace: hello', 'Ada: on its way, one', 'Ada: on its way, two'])
    for (const message of held) server!.send(message)
    await arrived(page, 'on its way, two')
    t.strictSame(await messages(page), ['Grace: hello', 'Ada: on its way, one', 'Ada: on its way, two'])
  })

  t.test('the page reconnects soon after the network is back, however long it would have waited', async (t) => {
    const app = await build(t)
    const page = await newPage(t, browser)
    await page.addInitScript(() => { Math.random = () => 0.9 }) // no wait is short by chance
    await page.clock.install()
    await page.goto(`${await listen(app)}/room/lobby?name=Ada`)
    await connected(page)
    const cutOff = async (): Promise<void> => {
      for (const ws of (app as any).websockets) ws.terminate()
      await status(page, 'Reconnecting…')
    }
    for (const wait of [450, 900, 1_800]) { // a connection that is soon lost doubles the next wait
      await cutOff()
      await page.clock.fastForward(wait)
      await connected(page)
    }
    await page.clock.pauseAt(await page.evaluate(() => Date.now()) + 1_000)
    await page.context().setOffline(true)
    await cutOff()

    await page.evaluate(() => { document.online = new Promise((resolve) => addEventListener('online', resolve)) })
    await page.context().setOffline(false)
    await page.evaluate(() => document.online.then(() => {}))
    await page.clock.runFor(500)

    await until(() => (app as any).websockets.size === 1)
    await page.clock.resume()
    await connected(page)
  })

  t.test('the page says so when the server refuses a message', async (t) => {
    const page = await enter(t, browser, await serve(t), 'Ada')
    await box(page).evaluate((text: any) => { text.maxLength = 5_000 })

    await say(page, 'a'.repeat(2_001))

    await status(page, 'The server did not take a message. Reload the page to come back.')
    t.equal(await page.getByText('a'.repeat(2_001)).count(), 1, 'the text is still on the page')
  })

  t.test('the page can be photographed; with UPDATE_SCREENSHOT, the picture becomes that of the README', async (t) => {
    const base = await serve(t)
    const ada = await enter(t, browser, base, 'Ada', { viewport: { width: 900, height: 540 }, locale: 'en-GB' })
    const grace = await enter(t, browser, base, 'Grace')
    const conversation: [Page, string][] = [
      [ada, 'Morning! Did the new release go out?'],
      [grace, 'It did, half an hour ago.'],
      [grace, 'I restarted the server while we talked. Did you notice?'],
      [ada, 'It said “Reconnecting…” for a second, and what I wrote meanwhile went out by itself.'],
      [grace, 'Then it works.']
    ]
    for (const [page, text] of conversation) {
      await say(page, text)
      await arrived(ada, text)
      await arrived(grace, text)
    }
    await box(grace).pressSequentially('Coffee?')
    await ada.getByText('Grace is typing…').waitFor()

    const file = process.env.UPDATE_SCREENSHOT ? resolve(root, 'docs/chat.png') : resolve(t.testdir(), 'chat.png')
    const picture = await ada.screenshot({ path: file })
    t.ok(picture.length > 10_000, 'the picture is not empty')
  })

  t.test('the page of the live-support room talks with its server', async (t) => {
    const app = await build(t, 'live-support.js')
    const base = await listen(app)
    const page = await newPage(t, browser)
    await page.goto(`${base}/car/ws-index?name=Ada`)
    const entries = page.getByRole('log', { name: 'Messages' }).getByRole('listitem')

    await entries.getByText('Welcome Ada to our live support room!').waitFor()
    await page.getByLabel('Your message').fill('<i>It rattles</i>')
    await page.getByRole('button', { name: 'Send message' }).click()
    await entries.getByText('We have received your complaint:').waitFor()
    t.equal(await entries.nth(1).textContent(), '<i>It rattles</i>')
    await app.close()
    await entries.getByText('The connection is closed.').waitFor()
  })
})

async function listen (app: FastifyInstance, port = 0): Promise<string> {
  return await app.listen({ host: '127.0.0.1', port })
}

async function serve (t: Test): Promise<string> {
  return await listen(await build(t))
}

/** Opens a page in a new browser context. An error in the script of the page fails the test. */
async function newPage (t: Test, browser: Browser, options?: BrowserContextOptions): Promise<Page> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(LIMIT)
  t.teardown(() => context.close())
  context.on('weberror', (error) => t.error(error.error()))
  const page = await context.newPage()
  page.on('console', (message) => {
    if (message.type() === 'error' && !/net::ERR_CONNECTION_(REFUSED|RESET)/.test(message.text())) t.fail(message.text())
  })
  return page
}

async function enter (t: Test, browser: Browser, base: string, name: string, options?: BrowserContextOptions): Promise<Page> {
  const page = await newPage(t, browser, options)
  await page.goto(`${base}/room/lobby?${new URLSearchParams({ name })}`)
  await connected(page)
  return page
}

function log (page: Page): Locator {
  return page.getByRole('log', { name: 'Messages' })
}

function box (page: Page): Locator {
  return page.getByRole('textbox', { name: 'Message', exact: true })
}

async function say (page: Page, text: string): Promise<void> {
  await box(page).fill(text)
  await box(page).press('Enter')
}

async function status (page: Page, text: string): Promise<void> {
  await page.getByRole('status').getByText(text).waitFor()
}

async function connected (page: Page): Promise<void> {
  await status(page, 'Connected')
}

/** Waits until the page shows `text` with a time, which the server has given it. */
async function arrived (page: Page, text: string): Promise<void> {
  await log(page).getByRole('listitem').filter({ hasText: text, has: page.locator('time') }).waitFor()
}

async function messages (page: Page): Promise<string[]> {
  return await log(page).locator('.message').evaluateAll((items) =>
    items.map((item) => `${item.querySelector('.author')!.textContent}: ${item.querySelector('.text')!.textContent}`))
}

/** The marks of the messages that the server does not have yet: text and visibility. */
async function marks (page: Page): Promise<[string, string][]> {
  return await log(page).locator('.unsent .state').evaluateAll((marks) =>
    marks.map((mark) => [mark.textContent!, getComputedStyle(mark).visibility]))
}

async function people (page: Page): Promise<string[]> {
  return await page.getByRole('complementary').getByRole('listitem').allTextContents()
}

/** The accessible name of the element that has the focus and shows an outline. */
async function focused (page: Page): Promise<string> {
  return await page.evaluate(() => {
    const element: any = document.activeElement
    if (getComputedStyle(element).outlineStyle !== 'solid') return `no outline (${element.tagName})`
    return element.ariaLabel ?? (element.labels?.[0] ?? element).textContent
  })
}

async function width (page: Page): Promise<number> {
  return await page.evaluate(() => document.documentElement.scrollWidth)
}

/** The name of the animation of the status. */
async function pulse (page: Page): Promise<string> {
  return await page.getByRole('status').evaluate((status) => getComputedStyle(status, '::before').animationName)
}

/** The contrast ratio of an element's text, as WCAG 2.2 defines it. */
async function contrast (locator: Locator): Promise<number> {
  const [lighter, darker] = (await luminances(locator)).sort((a, b) => b - a)
  return (lighter + 0.05) / (darker + 0.05)
}

/** The relative luminance of an element's text and of its background, as WCAG 2.2 defines it. */
async function luminances (locator: Locator): Promise<number[]> {
  return await locator.evaluate((element: any) => {
    const canvas = document.createElement('canvas').getContext('2d')
    const pixel = (color: string): number[] => {
      canvas.clearRect(0, 0, 1, 1)
      canvas.fillStyle = color
      canvas.fillRect(0, 0, 1, 1)
      return [...canvas.getImageData(0, 0, 1, 1).data]
    }
    let behind = element
    while (pixel(getComputedStyle(behind).backgroundColor)[3] !== 255) behind = behind.parentElement
    return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map((color) => {
      const [r, g, b] = pixel(color).map((value) => {
        const c = value / 255
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    })
  })
}
