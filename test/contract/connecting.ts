import { until } from '../helpers/until'
import { plain, take } from './bytes'
import { RemoteEnd } from '../client-platforms/remote-end'
import type { Connect } from '../../types/browser'
import type { ClientModule } from '../helpers/client-module'
import type { Assertions, Tests } from './assertions'

/** Milliseconds: soon enough for a test, and long enough to begin a handshake. */
const SOON = 200

/** Whether there is a page, to which URLs can be relative. */
const isPage = 'document' in globalThis

/** Tests `connect` of the client for browsers, and what only this client does. `site` is the URL of a host. */
export function connectingContract (t: Tests, client: ClientModule, site: string): void {
  opening(t, client, site)
  refusals(t, client, site)
  givingUp(t, client, site)
  ownLimits(t, client, site)
}

function opening (t: Tests, { connect }: ClientModule, site: string): void {
  t.test('connect takes ws: and http: URLs, as texts and as objects', async (t) => {
    const urls = [site, site.replace('http', 'ws')].flatMap((base) => [`${base}/echo#fragment`, new URL(`${base}/echo`)])
    for (const url of [...urls, ...isPage ? ['/echo', 'echo'] : []]) {
      const channel = await connect(url)
      t.equal(await channel.pair('text'), 'text')
      await channel.close()
    }
  })

  t.test('messages that come with the handshake are kept', async (t) => {
    const channel = await connect(`${site}/early`)
    await channel.closed
    t.same([await channel.receive(), await channel.receive(), await channel.receive()], ['1', '2', '3'])
    t.match(await channel.receive().catch((error) => error), { name: 'WebSocketDisconnect', closeCode: 4001, reason: 'bye' })
  })

  t.test('receiveTimeout limits the wait of a receive', async (t) => {
    const channel = await connect(`${site}/echo`, { receiveTimeout: 20 })
    await t.rejects(channel.receive(), { name: 'WebSocketTimeoutError', message: 'no message within 20 ms' })
    await channel.close()
  })
}

function refusals (t: Tests, client: ClientModule, site: string): void {
  const { connect } = client

  for (const path of ['/refused', '/unknown', '/plain', '/redirect']) {
    t.test(`connect rejects when the server answers ${path} without a 101`, async (t) => {
      const error: any = await connect(`${site}${path}`).catch((error: unknown) => error)
      t.match(error, { name: 'WebSocketUpgradeError', code: 'FST_WS_UPGRADE', message: 'the connection was not opened: the server refuses it or cannot be reached' })
      t.equal(error.statusCode, undefined)
      if (!isPage) t.ok(error.cause !== undefined, 'the cause is what the platform tells')
      for (const Class of [client.WebSocketUpgradeError, client.WebSocketError, Error]) t.ok(error instanceof Class, Class.name)
    })
  }

  t.test('connect rejects when nobody listens', async (t) => {
    const nobody = await textOf(`${site}/nobody`)
    await t.rejects(connect(nobody), { name: 'WebSocketUpgradeError' })
  })

  t.test('connect rejects with WebSocketOptionError for wrong options and URLs', async (t) => {
    const error: any = await connect(`${site}/echo`, { connectTimeout: 0 }).catch((error: unknown) => error)
    t.match(error, { name: 'WebSocketOptionError', code: 'FST_WS_OPTION' })
    for (const Class of [client.WebSocketOptionError, TypeError]) t.ok(error instanceof Class, Class.name)
    for (const options of [{ unknown: 1 }, { subprotocols: 'chat' }, { subprotocols: ['a', 'a'] }, { receiveLimit: -1 }, { signal: {} }, { valueType: 'string' }]) {
      await t.rejects(connect(`${site}/echo`, options as never), { name: 'WebSocketOptionError' })
    }
    for (const url of ['ftp://127.0.0.1/', 'mailto:a@example.com', 'http://', 'http://[', undefined, null, 5, {}]) {
      if (!isPage || String(url).includes(':')) await t.rejects(connect(url as never), { name: 'WebSocketOptionError' }, String(url))
    }
  })
}

function givingUp (t: Tests, { connect }: ClientModule, site: string): void {
  t.test('connect gives up after connectTimeout', async (t) => {
    const begin = performance.now()
    await t.rejects(connect(`${site}/hang/timeout`, { connectTimeout: SOON }), { name: 'WebSocketTimeoutError', message: `no connection within ${SOON} ms` })
    const elapsed = performance.now() - begin
    t.ok(elapsed > SOON - 10 && elapsed < 5_000, `after ${elapsed} ms`)
  })

  t.test('connect rejects with the reason of a signal that aborts', async (t) => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const connecting = connect(`${site}/hang/abort`, { signal: controller.signal }).catch((error: unknown) => error)
    await until(async () => await textOf(`${site}/hanging/abort`) === 'true')
    controller.abort(reason)
    t.equal(await connecting, reason)
  })

  t.test('the connection of a handshake that connect gives up is dropped at once', async (t) => {
    const controller = new AbortController()
    const connecting = connect(`${site}/hang/drop`, { signal: controller.signal }).catch(() => {})
    await until(async () => await textOf(`${site}/hanging/drop`) === 'true')
    controller.abort()
    await connecting
    await until(async () => await textOf(`${site}/hanging/drop`) === 'false')
    t.ok(true)
  })

  t.test('connect rejects with the reason of a signal that has aborted', async (t) => {
    const reason = new Error('enough')
    t.equal(await connect(`${site}/echo`, { signal: AbortSignal.abort(reason) }).catch((error: unknown) => error), reason)
  })

  t.test('a signal that aborts later leaves the open connection alone', async (t) => {
    const controller = new AbortController()
    const channel = await connect(`${site}/echo`, { signal: controller.signal })
    controller.abort()
    t.equal(await channel.pair('text'), 'text')
    await channel.close()
  })
}

function ownLimits (t: Tests, { connect }: ClientModule, site: string): void {
  const open = async (t: Assertions, options: object = {}): Promise<{ channel: Awaited<ReturnType<Connect>>, peer: RemoteEnd }> => {
    const peer = await RemoteEnd.open(t, site)
    return { channel: await connect(await peer.url(false), options) as never, peer }
  }

  t.test('above receiveLimit the connection is closed with 4008, and the messages that have arrived can be taken', async (t) => {
    const { channel, peer } = await open(t, { receiveLimit: 1000, receiveType: 'any' })
    for (let n = 0; n < 10; n++) peer.send(n % 2 === 0 ? 'a'.repeat(200) : new Uint8Array(200))
    t.same(await peer.closed, { code: 4008, reason: 'more messages wait than receiveLimit allows' })
    for (let n = 0; n < 6; n++) t.equal((await channel.receive()).length, 200)
    await t.rejects(channel.receive(), { name: 'WebSocketDisconnect', closeCode: 4008 })
  })

  t.test('messages that are taken do not count for receiveLimit', async (t) => {
    const { channel, peer } = await open(t, { receiveLimit: 1000 })
    for (let n = 0; n < 20; n++) {
      peer.send('a'.repeat(900))
      t.equal((await channel.receive()).length, 900)
    }
    t.equal(channel.state, 'open')
    await channel.close()
  })

  t.test('a close code that a page may not send is a RangeError, and the connection stays open', async (t) => {
    const { channel, peer } = await open(t)
    for (const code of [1001, 1002, 1003, 1008, 1009, 1011, 1014]) await t.rejects(channel.close(code), { name: 'RangeError' }, String(code))
    await channel.send('still open')
    t.equal(await peer.next(), 'still open')
    await channel.close()
  })

  t.test('bytes in shared memory, and in memory that can be resized, are sent', async (t) => {
    const { channel, peer } = await open(t)
    const resizable = new (ArrayBuffer as any)(4, { maxByteLength: 8 })
    const shared = new SharedArrayBuffer(4)
    for (const memory of [resizable, shared]) {
      new Uint8Array(memory).set([0, 1, 254, 255])
      await channel.send(memory)
      await channel.send(new DataView(memory, 1, 2))
      t.same(await take(peer, 2), [plain(Uint8Array.of(0, 1, 254, 255)), plain(Uint8Array.of(1, 254))])
    }
    await channel.close()
  })
}

async function textOf (url: string): Promise<string> {
  return await (await fetch(url)).text()
}
