import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { connect } from '../../lib/client/client'
import { createApp, listen } from '../helpers/app'
import { findChromium, launchChromium } from '../helpers/chromium'
import { codeIn, readTable } from '../helpers/docs'
import { findFirefox, Firefox } from '../helpers/firefox'
import { Peer } from '../helpers/peer'
import { callInPage, findCommand, runPeer } from '../helpers/peers'
import type { FastifyRequest } from 'fastify'
import type { CloseInfo } from '../../types/message'

/* Compares the tables of docs/clients.md with the clients on this machine. */

/** What a client reports. */
interface Seen {
  /** The client's version, if the tables have rows for different versions. */
  version?: string
  refused: string
  status: string
  body: string
  readable: [number, string]
  closed: [number, string]
  unanswered: string
  redirected: string
}

interface Client {
  /** The name of the client's row, or a function from the version to the name. */
  name: string | ((version: string) => string)
  title: string
  missing?: string
  witness (t: Test, url: string): Promise<Seen>
}

const chromium = findChromium()
const firefox = findFirefox()
const major = (version: string): number => Number.parseInt(version)

function library (name: string, module: string, row: Client['name']): Client {
  const python = findCommand(['python3', '/usr/bin/python3'], ['-c', `import ${module}`])
  return {
    name: row,
    title: name,
    missing: python === undefined ? `there is no python3 with the module ${module}` : undefined,
    witness: async (_t, url) => await runPeer([python!], 'witness.py', name, url)
  }
}

const CLIENTS: Client[] = [
  { name: '`connect`', title: 'connect', witness: witnessConnect },
  { name: '`ws`', title: 'ws', witness: witnessWs },
  {
    name: major(process.versions.node) < 24 ? 'Node 20, 22' : 'Node 24, 26',
    title: 'the WebSocket of Node',
    witness: async (_t, url) => await runPeer([process.execPath, ...'WebSocket' in globalThis ? [] : ['--experimental-websocket']], 'witness.js', url)
  },
  {
    name: 'Chromium',
    title: 'Chromium',
    missing: chromium === undefined ? 'there is no Chromium' : undefined,
    async witness (t, url) {
      const browser = await launchChromium(chromium!)
      t.teardown(() => browser.close())
      const page = await browser.newPage()
      await page.goto(url.replace('ws:', 'http:'))
      return await page.evaluate(callInPage('witness.js', url))
    }
  },
  {
    name: 'Firefox',
    title: 'Firefox',
    missing: firefox === undefined ? 'there is no Firefox' : undefined,
    async witness (t, url) {
      const browser = await Firefox.launch(t, firefox!)
      await browser.goto(url.replace('ws:', 'http:'))
      return await browser.evaluate(callInPage('witness.js', url))
    }
  },
  library('websockets', 'websockets', (version) => major(version) < 14 ? 'websockets 10.4' : 'websockets 17.1'),
  library('aiohttp', 'aiohttp', 'aiohttp'),
  library('tornado', 'tornado', 'Tornado'),
  library('websocket-client', 'websocket', (version) => /^1\.[2-4]\./.test(version) ? 'websocket-client 1.2.3' : 'websocket-client 1.9.2')
]

async function witnessWs (t: Test, url: string): Promise<Seen> {
  const attempt = async (path: string, subprotocols: string[] = []): Promise<{ events: string[], end: [number, string], response?: any }> => {
    const socket = new WebSocket(`${url}${path}`, subprotocols)
    t.teardown(() => socket.terminate())
    const events: string[] = []
    for (const event of ['open', 'error']) socket.on(event, () => events.push(event))
    const { code, reason } = await new Peer(socket).closed
    return { events: [...events, `close ${code}`], end: [code, reason] }
  }
  const { events } = await attempt('/refused')
  const response = await new Promise<any>((resolve) => { new WebSocket(`${url}/refused`).on('unexpected-response', (_request, response) => resolve(response)) })
  const [body] = await response.toArray()
  return {
    refused: events.join(', '),
    status: response.statusCode === 403 ? 'yes' : 'no',
    body: String(body).includes('no entry') ? 'yes' : 'no',
    readable: (await attempt('/readable')).end,
    closed: (await attempt('/closed')).end,
    unanswered: (await attempt('/unanswered', ['a', 'b'])).events[0] === 'open' ? 'opens' : 'fails',
    redirected: (await attempt('/redirect')).events[0] === 'open' ? 'yes' : 'no'
  }
}

async function witnessConnect (_t: Test, url: string): Promise<Seen> {
  const error: any = await connect(`${url}/refused`).catch((error) => error)
  const end = async (path: string): Promise<[number, string]> => {
    const { code, reason } = await (await connect(`${url}${path}`)).closed
    return [code, reason]
  }
  return {
    refused: error.name,
    status: error.statusCode === 403 ? 'yes' : 'no',
    body: error.body.includes('no entry') ? 'yes' : 'no',
    readable: await end('/readable'),
    closed: await end('/closed'),
    unanswered: await connect(`${url}/unanswered`, { subprotocols: ['a', 'b'] }).then(() => 'opens', () => 'fails'),
    redirected: await end('/redirect').then(() => 'yes', () => 'no')
  }
}

/** Starts an app with a route for each property in the tables. Returns its URL, and what the app sees of the client that it closes. */
async function serve (t: Test): Promise<{ url: string, seen: Promise<{ request: FastifyRequest, closed: CloseInfo }> }> {
  const app = await createApp(t, { perMessageDeflate: true })
  app.get('/', async (_request, reply) => await reply.type('text/html').send('<title>a page</title>'))
  app.websocket('/refused', (ws) => ws.deny(403, { message: 'no entry' }))
  app.websocket('/readable', { websocket: { refusal: 'close' } }, (ws) => ws.deny(403, { message: 'no entry' }))
  app.websocket('/unanswered', { websocket: { subprotocols: ['c'] } }, async (ws) => { await ws.accept() })
  app.websocket('/redirect', (ws) => ws.deny(307, undefined, { location: '/elsewhere' }))
  app.websocket('/elsewhere', async (ws) => { await ws.accept() })
  const seen = new Promise<{ request: FastifyRequest, closed: CloseInfo }>((resolve) => {
    app.websocket('/closed', async (ws, request) => {
      await ws.accept()
      await ws.close(4001, 'so long')
      resolve({ request, closed: await ws.closed })
    })
  })
  return { url: `ws://127.0.0.1:${await listen(app)}`, seen }
}

for (const { name, title, missing, witness } of CLIENTS) {
  t.test(`the tables are right about ${title}`, { skip: missing ?? false }, async (t) => {
    const { url, seen } = await serve(t)
    const told = await witness(t, url)
    const { request: { headers }, closed } = await seen
    const row = (heading: string): Record<string, string> => {
      const client = typeof name === 'string' ? name : name(told.version!)
      return readTable('docs/clients.md', heading, 'client').find((row) => row.client === client)!
    }
    t.same([told.readable, told.closed], [[4403, 'no entry'], [4001, 'so long']], 'every client sees the code and the reason of a close')
    t.match(row('## A refusal'), { status: told.status, body: told.body })
    t.equal(codeIn(row('## A refusal').shows), told.refused)
    t.equal(row('## A close')['`ws.closed`'], closed.code === 4001 ? closed.reason === '' ? 'the code' : 'the code and the reason' : String(closed.code))
    t.match(row('## The handshake'), {
      '`Origin`': headers.origin === undefined ? 'none' : headers['user-agent']?.includes('Mozilla') === true ? 'of the page' : 'of the URL',
      'follows a redirect': told.redirected,
      'offers subprotocols, and none is chosen': told.unanswered,
      'offers compression': headers['sec-websocket-extensions'] === undefined ? 'no' : 'yes'
    })
  })
}
