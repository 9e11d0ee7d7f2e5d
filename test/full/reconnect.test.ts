import t, { type Test } from 'tap'
import { createApp, listen } from '../helpers/app'
import { BROWSERS } from '../helpers/browsers'
import { Example } from '../helpers/example'
import { Gate } from '../helpers/gate'
import { freePort } from '../helpers/ports'
import { findProxy, KINDS, Proxy } from '../helpers/proxies'
import type { Act } from '../helpers/attempts'
import type { Tab } from '../helpers/tab'
import type { FastifyInstance } from 'fastify'

/* What a page that uses `reconnect` sees of real faults. The page and the module are those of test/client-load/app.js. */

const { addPages, talk }: { addPages (app: FastifyInstance): void, talk: Act } = require('../client-load/app.js')

/** In ms: how long a page may take to see what a test waits for. After failures, Firefox itself delays an attempt, by up to 60 s. */
const LIMIT = 70_000

/** What a page has seen: a status of `reconnect`, or an event. */
interface Seen {
  /** In ms since 1970. */
  at: number
  status?: 'connecting' | 'open' | 'waiting' | 'ended'
  event?: string
  /** In ms: the delay of a wait. */
  delay?: number
  why?: { name: string, code?: number, reason?: string, message: string }
}

/** A fault, and what the page has seen of it. */
interface Row {
  fault: string
  saw: string
  /** Seconds from the fault to the first change of status, and from its end to the open connection. */
  noticed?: number
  open?: number
}

/** A page with a loop of `reconnect`. */
class Visit {
  readonly tab: Tab
  /** How many things the page had seen when the fault began. */
  #before = 0
  #begun = Date.now()
  #mended = Date.now()

  private constructor (tab: Tab) {
    this.tab = tab
  }

  /** Opens the page of `origin`, and begins the loop. */
  static async begin (tab: Tab, origin: string, path: string, options: object = {}): Promise<Visit> {
    await tab.goto(`${origin}/`)
    const visit = new Visit(tab)
    await tab.evaluate(`page.start(${JSON.stringify(path)}, ${JSON.stringify(options)})`)
    return visit
  }

  /** The fault begins now. */
  async faulty (): Promise<void> {
    this.#before = (await this.tab.evaluate('page.seen')).length
    this.#begun = this.#mended = Date.now()
  }

  /** The fault is over now. */
  mended (): void {
    this.#mended = Date.now()
  }

  /** Resolves with all that the page has seen since the fault began, as soon as `condition` holds for it. */
  async until (condition: (seen: Seen[]) => boolean): Promise<Seen[]> {
    const deadline = Date.now() + LIMIT
    let count = 0
    while (Date.now() < deadline) {
      const all: Seen[] = await this.tab.evaluate(`page.news(${count})`)
      count = all.length
      const seen = all.slice(this.#before)
      if (condition(seen)) return seen
    }
    throw new Error(`not within ${LIMIT} ms: ${condition}; the page has seen ${JSON.stringify(await this.tab.evaluate('page.seen'))}`)
  }

  async isOpen (): Promise<Seen[]> {
    return await this.until((seen) => seen.at(-1)?.status === 'open')
  }

  /** The row of the fault; `seen` is what the page has seen of it. */
  row (fault: string, seen: Seen[]): Row {
    const first = seen.find(({ status }) => status !== undefined)
    const last = seen.at(-1)
    return {
      fault,
      saw: told(seen),
      noticed: first && (first.at - this.#begun) / 1000,
      open: last?.status === 'open' ? (last.at - this.#mended) / 1000 : undefined
    }
  }
}

/** What a page has seen of one thing, in words. */
function wordFor ({ status, event, why }: Seen): string | undefined {
  if (status === 'waiting') return why!.name === 'WebSocketDisconnect' ? `${why!.code} ${why!.reason}`.trim() : 'no connection'
  if (status === 'open') return 'open'
  if (event === 'thrown') return `the loop throws ${why!.name} ${why!.code} ${why!.reason}`
  return event
}

/** What a page has seen, in words. */
function told (seen: Seen[]): string {
  const words = seen.flatMap((what) => wordFor(what) ?? [])
  const groups: [word: string, count: number][] = []
  for (const word of words) {
    const last = groups.at(-1)
    if (last?.[0] === word) last[1]++
    else groups.push([word, 1])
  }
  return groups.map(([word, count]) => count === 1 ? word : `${word} ×${count}`).join(', ') || 'nothing'
}

/** An app with the page, and the route /talk. Resolves with its port. */
async function serve (t: Test, addRoutes: (app: FastifyInstance) => void = () => {}): Promise<{ app: FastifyInstance, port: number }> {
  const app = await createApp(t, { refusal: 'auto' }, { trustProxy: '127.0.0.1' })
  addPages(app)
  app.websocket('/talk', { websocket: { origins: '*' } }, talk) // a gate has another port than the page
  addRoutes(app)
  return { app, port: await listen(app) }
}

const HERE = 'http://127.0.0.1'

/** In ms: a wait that is so long that an event of the page comes before its end. */
const LONG = 3_000

/** Long waits come after few failures, each of which adds to the delay of Firefox. */
const SLOW = { baseDelay: 500, maxDelay: 60_000 }

const waits = (seen: Seen[]): Seen[] => seen.filter(({ status }) => status === 'waiting')

const waitsLong = (seen: Seen[]): boolean => seen.at(-1)?.status === 'waiting' && seen.at(-1)!.delay! >= LONG

/** Asserts that the page first sees the end of its connection, with `code`, and then attempts that fail. */
function lost (t: Test, seen: Seen[], code: number): void {
  const [end, ...attempts] = waits(seen)
  t.match(end.why, { name: 'WebSocketDisconnect', code })
  t.ok(attempts.every(({ why }) => why!.name === 'WebSocketUpgradeError' || why!.name === 'WebSocketTimeoutError'), 'then, attempts fail')
}

/** Asserts that the attempt after the long wait came at the event, and not when the delay was over. */
function woken (t: Test, seen: Seen[], event: string): void {
  const wait = seen.findLast((what) => waitsLong([what]))!
  const wake = seen.find((what) => what.event === event && what.at >= wait.at)
  const attempt = seen.find(({ status, at }) => status === 'connecting' && at >= wait.at)!
  t.ok(wake, `the page sees ${event}`)
  t.ok(attempt.at < wait.at + wait.delay!, `${attempt.at - wait.at} ms after a wait of ${wait.delay!} ms began`)
}

async function talks (t: Test, visit: Visit): Promise<void> {
  t.equal(await visit.tab.evaluate("page.echo('still there?')"), true, 'the connection talks')
}

/** Waits until the page has lost its connection with 1006, and has one that talks again. `event`: what has brought the attempt. */
async function comesBack (t: Test, visit: Visit, name: string, event?: string): Promise<Row> {
  const seen = await visit.isOpen()
  lost(t, seen, 1006)
  if (event !== undefined) woken(t, seen, event)
  await talks(t, visit)
  return visit.row(name, seen)
}

type Fault = (t: Test, tab: Tab, name: string) => Promise<Row>

async function restart (t: Test, tab: Tab, name: string): Promise<Row> {
  const port = await freePort()
  const start = async (): Promise<Example> => {
    const server = new Example('../test/client-load/server.js', [], { PORT: String(port) })
    t.teardown(() => server.kill())
    await server.ready()
    return server
  }
  const server = await start()
  const visit = await Visit.begin(tab, `${HERE}:${port}`, '/talk')
  await visit.isOpen()
  await visit.faulty()
  server.kill()
  await visit.until((seen) => waits(seen).length >= 3)
  await start()
  visit.mended()
  return await comesBack(t, visit, name)
}

function reload (kind: string): Fault {
  return async (t, tab, name) => {
    const { port } = await serve(t)
    const proxy = await Proxy.start(t, KINDS[kind], { app: port, idle: 60 })
    const visit = await Visit.begin(tab, `https://localhost:${proxy.port}`, '/talk')
    await visit.isOpen()
    await visit.faulty()
    await proxy.reload()
    const isKept = KINDS[kind].reload!.leavesOpen
    const seen = isKept ? [] : await visit.isOpen()
    await talks(t, visit)
    if (isKept) t.strictSame(await visit.until(() => true), [])
    else lost(t, seen, 1001)
    return visit.row(name, seen)
  }
}

/** Opens the page of an app. Its connection goes through a gate. */
async function beginAtGate (t: Test, tab: Tab, options: object): Promise<{ visit: Visit, gate: Gate, origin: string }> {
  const { port } = await serve(t)
  const gate = await Gate.open(t, port)
  const origin = `${HERE}:${port}`
  const visit = await Visit.begin(tab, origin, `ws://127.0.0.1:${gate.port}/talk`, options)
  await visit.isOpen()
  await visit.faulty()
  return { visit, gate, origin }
}

async function swallow (t: Test, tab: Tab, name: string): Promise<Row> {
  const { visit, gate } = await beginAtGate(t, tab, { receiveTimeout: 1_000, connectTimeout: 2_000 })
  gate.swallow()
  await visit.until((seen) => waits(seen).length >= 2)
  await gate.mend()
  visit.mended()
  return await comesBack(t, visit, name)
}

async function offline (t: Test, tab: Tab, name: string): Promise<Row> {
  const { visit, gate } = await beginAtGate(t, tab, SLOW)
  t.teardown(() => tab.setOffline(false))
  gate.cut()
  await tab.setOffline(true)
  await visit.until(waitsLong)
  await gate.mend()
  visit.mended()
  await tab.setOffline(false)
  return await comesBack(t, visit, name, 'online')
}

async function hidden (t: Test, tab: Tab, name: string): Promise<Row> {
  const { visit, gate } = await beginAtGate(t, tab, SLOW)
  await tab.hide()
  gate.cut()
  await visit.until(waitsLong)
  await gate.mend()
  visit.mended()
  await tab.show()
  return await comesBack(t, visit, name, 'visible')
}

async function cached (t: Test, tab: Tab, name: string): Promise<Row> {
  const { visit, gate, origin } = await beginAtGate(t, tab, SLOW)
  gate.cut()
  await visit.until(waitsLong)
  await tab.goto(`${origin}/away`)
  await gate.mend()
  visit.mended()
  await tab.goBack()
  return await comesBack(t, visit, name, 'pageshow')
}

/** Browsers differ: a page with an open connection is kept without it, or is loaded anew. */
async function cachedOpen (t: Test, tab: Tab, name: string): Promise<Row> {
  const { visit, origin } = await beginAtGate(t, tab, SLOW)
  await tab.goto(`${origin}/away`)
  visit.mended()
  await tab.goBack()
  const isKept = await tab.evaluate('page.seen.length > 0')
  if (!isKept) return { fault: name, saw: 'the page is loaded anew' }
  return await comesBack(t, visit, name)
}

function refused (status: number, message: string): Fault {
  return async (t, tab, name) => {
    let attempts = 0
    const { port } = await serve(t, (app) => app.websocket('/guarded', (ws) => {
      attempts++
      return ws.deny(status, { message })
    }))
    const visit = await Visit.begin(tab, `${HERE}:${port}`, '/guarded')
    const seen = await visit.until((seen) => seen.at(-1)?.event === 'thrown')
    t.match(seen.at(-1)!.why, { name: 'WebSocketDisconnect', code: 4000 + status, reason: message })
    t.equal(attempts, 1)
    t.strictSame(waits(seen), [])
    return visit.row(name, seen)
  }
}

function busy (status: number, message: string): Fault {
  return async (t, tab, name) => {
    let attempts = 0
    const { port } = await serve(t, (app) => app.websocket('/busy', async (ws) => {
      if (++attempts > 2) await talk(ws, undefined)
      else await ws.deny(status, { message })
    }))
    const visit = await Visit.begin(tab, `${HERE}:${port}`, '/busy')
    const seen = await visit.until((seen) => waits(seen).length === 2 && seen.at(-1)?.status === 'open' && attempts === 3)
    t.match(waits(seen).map(({ why }) => why), Array(2).fill({ name: 'WebSocketDisconnect', code: 4000 + status, reason: message }))
    await talks(t, visit)
    return visit.row(name, seen)
  }
}

async function expired (t: Test, tab: Tab, name: string): Promise<Row> {
  const valid = new Set<string>()
  const { app, port } = await serve(t, (app) => {
    app.get('/ticket', async () => {
      const ticket = String(Math.random())
      valid.add(ticket)
      return ticket
    })
    app.websocket('/guarded', async (ws) => {
      if (valid.delete(ws.url.searchParams.get('ticket')!)) await talk(ws, undefined)
      else await ws.deny(401, { message: 'the ticket has expired' })
    })
  })
  const visit = await Visit.begin(tab, `${HERE}:${port}`, '/guarded', { ticket: true })
  await visit.isOpen()
  await visit.faulty()
  for (const session of app.websockets) session.terminate()
  const seen = await visit.isOpen()
  lost(t, seen, 1006)
  t.equal(await tab.evaluate('page.tickets'), 2, 'the page has asked for a ticket before each attempt')
  await talks(t, visit)
  return visit.row(name, seen)
}

const FAULTS: Record<string, Fault> = {
  'the server is killed, and started again': restart,
  'HAProxy is reloaded': reload('HAProxy'),
  'Caddy is reloaded': reload('Caddy'),
  'a relay swallows everything (`receiveTimeout: 1_000`)': swallow,
  'the browser goes offline and online': offline,
  'a hidden tab becomes visible': hidden,
  'a page that waits comes back from the page cache': cached,
  'a page with an open connection comes back': cachedOpen,
  "401, with `refusal: 'auto'`": refused(401, 'log in first'),
  "403, with `refusal: 'auto'`": refused(403, 'not in this room'),
  "429 twice, with `refusal: 'auto'`": busy(429, 'slow down'),
  "503 twice, with `refusal: 'auto'`": busy(503, 'full'),
  'a ticket for one connection has been used': expired
}

/** The program that a fault needs, if it is missing. */
function missingFor (fault: string): string | false {
  const [kind] = fault.split(' ')
  return kind in KINDS && findProxy(KINDS[kind]) === undefined && `there is no ${KINDS[kind].program} on this machine`
}

const seconds = (time: number | undefined): string => time === undefined ? '–' : `${time.toFixed(1)} s`

// Both browsers at once: their tests mostly wait.
t.jobs = Object.keys(BROWSERS).length

for (const [browser, { missing, launch }] of Object.entries(BROWSERS)) {
  t.test(`faults in ${browser}`, { skip: missing, buffered: true }, async (t) => {
    const tab = await launch(t)
    const rows: Row[] = []
    for (const [name, fault] of Object.entries(FAULTS)) {
      await t.test(name, { skip: missingFor(name) }, async (t) => { rows.push(await fault(t, tab, name)) })
    }
    t.comment(`| fault | what ${browser} saw | noticed after | open again after |`)
    for (const { fault, saw, noticed, open } of rows) t.comment(`| ${[fault, saw, seconds(noticed), seconds(open)].join(' | ')} |`)
  })
}
