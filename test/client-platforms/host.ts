import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { Deferred } from '../../lib/base/deferred'
import websocket from '../../lib/index'
import { listen } from '../helpers/app'
import { CLIENT_MODULE } from '../helpers/client-module'
import { Peer } from '../helpers/peer'
import { pack, unpack } from './packing'
import type WebSocket from 'ws'
import type { Report } from './runner'

/** A page that runs the suites. */
const PAGE = `<!doctype html>
<title>the contract of channels</title>
<script type="module">
  import * as client from '/client.mjs'
  import { run } from '/suites.mjs'
  await run(client, location.origin)
</script>
`

/** Without these headers, a page has no `SharedArrayBuffer`. */
const ISOLATED = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }

/**
 * The server of a platform on which the suites run: it has the other ends of the channels, and the page for a browser. `suites` is
 * the module with the suites, undefined if no page asks for it.
 */
export class Host {
  readonly url: string
  /** Resolves with what the platform reports. */
  readonly report: Promise<Report>
  readonly #app: FastifyInstance

  private constructor (app: FastifyInstance, port: number, report: Promise<Report>) {
    this.url = `http://127.0.0.1:${port}`
    this.#app = app
    this.report = report
  }

  static async start (suites?: string): Promise<Host> {
    const app = Fastify({ forceCloseConnections: true })
    await app.register(websocket)
    const report = new Deferred<Report>()
    app.post('/report', async (request) => {
      report.resolve(request.body as Report)
      return 'thank you'
    })
    addPage(app, suites)
    addMeetings(app)
    addAnswers(app)
    return new Host(app, await listen(app), report.promise)
  }

  async close (): Promise<void> {
    await this.#app.close()
  }
}

function addPage (app: FastifyInstance, suites: string | undefined): void {
  const serve = (path: string, type: string, content: () => unknown): void => {
    app.get(path, async (_request, reply) => await reply.headers(ISOLATED).type(type).send(content()))
  }
  serve('/', 'text/html', () => PAGE)
  serve('/suites.mjs', 'text/javascript', () => suites)
  serve('/client.mjs', 'text/javascript', () => readFileSync(CLIENT_MODULE))
}

/** Adds the routes at which channels meet their other ends, and the route over which a suite drives the other end of its channel. */
function addMeetings (app: FastifyInstance): void {
  const expected = new Map<string, (peer: Peer) => void>()
  const meet = (socket: unknown, { params: { id } }: any): void => expected.get(id)!(new Peer(socket as WebSocket))
  app.websocket('/plain/:id', { websocket: { raw: true } }, meet)
  app.websocket('/compressed/:id', { websocket: { raw: true, perMessageDeflate: { threshold: 0 } } }, meet)
  app.websocket('/control', { websocket: { raw: true } }, (socket, { host }) => {
    const id = String(expected.size)
    const peer = new Deferred<Peer>()
    expected.set(id, peer.resolve)
    answer(socket as unknown as WebSocket, peer.promise, (isCompressed) => `ws://${host}/${isCompressed ? 'compressed' : 'plain'}/${id}`)
  })
}

/** Makes the calls that come over `control`. The calls but `url` are those of the peer, and wait until it is there. */
function answer (control: WebSocket, peer: Promise<Peer>, url: (isCompressed: boolean) => string): void {
  control.on('message', async (data) => {
    const { call, method, args } = unpack(String(data))
    try {
      control.send(pack({ call, value: method === 'url' ? url(args[0]) : await invoke(await peer, method, args) }))
    } catch (error) {
      control.send(pack({ call, error: String(error) }))
    }
  })
  control.on('close', async () => (await peer).socket.terminate())
}

async function invoke (peer: any, method: string, args: unknown[]): Promise<unknown> {
  return method === 'closed' ? await peer.closed : await peer[method](...args)
}

/** Adds routes that answer handshakes in different ways. */
function addAnswers (app: FastifyInstance): void {
  app.websocket('/echo', async (ws) => {
    await ws.accept()
    for await (const message of ws) await ws.send(message)
  })
  app.websocket('/early', { websocket: { raw: true } }, (socket) => {
    for (const message of ['1', '2', '3']) socket.send(message)
    socket.close(4001, 'bye')
  })
  app.websocket('/refused', (ws) => ws.deny(403, { message: 'no entry' }))
  app.websocket('/redirect', (ws) => ws.deny(307, undefined, { location: '/echo' }))
  app.get('/plain', async () => 'no WebSocket')
  const hanging = new Set<string>()
  const untilGone = async ({ params: { id }, raw: { socket } }: any): Promise<void> => {
    hanging.add(id)
    await once(socket, 'close')
    hanging.delete(id)
  }
  app.websocket('/hang/:id', { preHandler: untilGone }, () => {})
  app.get('/hanging/:id', async ({ params: { id } }: any) => String(hanging.has(id)))
  app.get('/nobody', async () => `ws://127.0.0.1:${await unusedPort()}`)
}

/** A port at which nobody listens. */
async function unusedPort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}
