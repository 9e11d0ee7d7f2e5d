import { once } from 'node:events'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { createApp, listen } from '../helpers/app'
import { findChromium, launchChromium } from '../helpers/chromium'
import { findFirefox, Firefox } from '../helpers/firefox'
import { Peer } from '../helpers/peer'
import { callInPage, findCommand, runPeer } from '../helpers/peers'
import { until } from '../helpers/until'
import type { CloseInfo } from '../../types/message'

/* Clients of other libraries talk with an echo route, and report what they have seen. */

/** The messages that each client sends. `repeated`, `count` times, is a large message. */
const LINES = {
  text: 'grüße, κόσμε, 𤭢',
  binary: Array.from({ length: 256 }, (_, n) => n),
  repeated: 'Größe ',
  count: 100_000,
  close: [4001, 'tschüß'] as [number, string]
}
const LARGE = LINES.repeated.repeat(LINES.count)

/** The report of each client. `dismissed` is the end of a connection that the server closes. */
const SEEN = {
  protocol: 'echo.v1',
  echoes: { text: LINES.text, binary: LINES.binary, large: true },
  closed: LINES.close,
  dismissed: [4002, 'bis später']
}

interface Tale { protocol: string, pong?: boolean, [name: string]: unknown }

interface Client {
  name: string
  /** Whether the client can send a ping. */
  pings: boolean
  /** The reason why the client is missing, if it is. */
  missing?: string
  converse (t: Test, url: string): Promise<Tale>
}

const python = findCommand(['python3', '/usr/bin/python3'], ['-c', 'import websockets'])
const perl = findCommand(['perl', '/usr/bin/perl'], ['-MMojo::UserAgent', '-e', '1'])
const chromium = findChromium()
const firefox = findFirefox()
/** Node 20 has a WebSocket only with this flag. */
const experimental = 'WebSocket' in globalThis ? [] : ['--experimental-websocket']

const CLIENTS: Client[] = [
  { name: 'ws', pings: true, converse: converseWithWs },
  {
    name: 'the WebSocket of Node',
    pings: false,
    converse: (_t, url) => runPeer([process.execPath, ...experimental], 'browser.js', url, JSON.stringify(LINES))
  },
  {
    name: 'Chromium',
    pings: false,
    missing: chromium === undefined ? 'there is no Chromium' : undefined,
    converse: converseWithChromium
  },
  {
    name: 'Firefox',
    pings: false,
    missing: firefox === undefined ? 'there is no Firefox' : undefined,
    converse: converseWithFirefox
  },
  {
    name: 'websockets, in Python',
    pings: true,
    missing: python === undefined ? 'there is no python3 with the module websockets (Debian: python3-websockets)' : undefined,
    converse: (_t, url) => runPeer([python!], 'python-websockets.py', url, JSON.stringify(LINES))
  },
  {
    name: 'Mojolicious, in Perl',
    pings: true,
    missing: perl === undefined ? 'there is no perl with the module Mojolicious (Debian: libmojolicious-perl)' : undefined,
    converse: (_t, url) => runPeer([perl!], 'mojolicious.pl', url, JSON.stringify(LINES))
  }
]

async function converseWithWs (t: Test, url: string): Promise<Tale> {
  const socket = new WebSocket(`${url}/echo`, ['other', 'echo.v1'])
  t.teardown(() => socket.terminate())
  const peer = new Peer(socket)
  await once(socket, 'open')
  const echoes = []
  for (const message of [LINES.text, Buffer.from(LINES.binary), LARGE]) {
    socket.send(message)
    echoes.push(await peer.next())
  }
  socket.ping('are you there?')
  const [pong] = await once(socket, 'pong')
  socket.close(...LINES.close)
  const closed = await peer.closed
  const dismissed = await new Peer(new WebSocket(`${url}/bye`)).closed
  return {
    protocol: socket.protocol,
    echoes: { text: echoes[0], binary: [...echoes[1] as Buffer], large: echoes[2] === LARGE },
    pong: pong.toString() === 'are you there?',
    closed: [closed.code, closed.reason],
    dismissed: [dismissed.code, dismissed.reason]
  }
}

async function converseWithChromium (t: Test, url: string): Promise<Tale> {
  const browser = await launchChromium(chromium!)
  t.teardown(() => browser.close())
  const page = await browser.newPage()
  await page.goto(url.replace('ws:', 'http:'))
  return await page.evaluate(callInPage('browser.js', url, LINES))
}

async function converseWithFirefox (t: Test, url: string): Promise<Tale> {
  const browser = await Firefox.launch(t, firefox!)
  await browser.goto(url.replace('ws:', 'http:'))
  return await browser.evaluate(callInPage('browser.js', url, LINES))
}

interface Ended extends CloseInfo {
  path: string
  protocol: string
  extensions: string
}

/** Starts an app with a route that echoes and a route that closes. Returns its URL, and the ends of its sessions. */
async function serve (t: Test, perMessageDeflate: boolean): Promise<{ url: string, ended: Ended[] }> {
  const ended: Ended[] = []
  const app = await createApp(t, { perMessageDeflate, sendType: 'any', receiveType: 'any', subprotocols: ['echo.v1'] })
  app.get('/', async (_request, reply) => await reply.type('text/html').send('<title>a page</title>'))
  app.websocket('/echo', {
    websocket: {
      onMessage: async (ws, message) => await ws.send(message),
      onDisconnect (ws, end) { ended.push({ path: '/echo', protocol: ws.protocol, extensions: ws.raw!.extensions, ...end }) }
    }
  })
  app.websocket('/bye', async (ws) => {
    await ws.accept()
    await ws.close(SEEN.dismissed[0] as number, SEEN.dismissed[1] as string)
    ended.push({ path: '/bye', protocol: ws.protocol, extensions: ws.raw!.extensions, ...await ws.closed })
  })
  return { url: `ws://127.0.0.1:${await listen(app)}`, ended }
}

for (const { name, pings, missing, converse } of CLIENTS) {
  for (const compresses of [false, true]) {
    t.test(`${name} talks with a server that ${compresses ? 'compresses' : 'does not compress'}`, { skip: missing ?? false }, async (t) => {
      const { url, ended } = await serve(t, compresses)
      t.same(await converse(t, url), pings ? { ...SEEN, pong: true } : SEEN, 'the client has seen everything')
      await until(() => ended.length === 2)
      const extensions = compresses ? 'permessage-deflate' : ''
      t.match(ended, [
        { path: '/echo', protocol: 'echo.v1', extensions, code: 4001, reason: 'tschüß', wasClean: true },
        { path: '/bye', protocol: '', code: 4002, wasClean: true } // a client need not repeat the reason
      ], 'the server has seen everything')
    })
  }
}
