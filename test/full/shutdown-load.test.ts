import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'

/* app.close() with thousands of connections. The app runs in one process, and its clients in another. */

/** In ms: how long the app waits for the answer to a close. */
const CLOSE_TIMEOUT = 1_000

/** The share of the connections that a process may have open; at most 1. */
const scale = Math.min(1, ((Number(spawnSync('ulimit -n', { shell: true }).stdout) || Infinity) - 100) / 5_000)

interface Script {
  child: ChildProcess
  /** Resolves with the next line that the process prints, parsed as JSON. */
  line (): Promise<any>
  ended: Promise<number | string>
}

function run (t: Test, name: string, ...args: unknown[]): Script {
  const child = spawn(process.execPath, [join(__dirname, '..', 'fixtures', name), ...args.map((arg) => JSON.stringify(arg))], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]()
  return {
    child,
    line: async () => JSON.parse((await lines.next()).value),
    ended: once(child, 'exit').then(([code, signal]) => code ?? signal)
  }
}

/** The current counts of the app. */
async function counts ([{ port }]: { port: number }[]): Promise<any> {
  return await (await fetch(`http://127.0.0.1:${port}/counts`, { headers: { connection: 'close' } })).json()
}

/** Closes the app, and checks its counts. Resolves with its counts when its process has ended. */
async function close (t: Test, server: Script): Promise<any> {
  server.child.kill('SIGTERM')
  const result = await server.line()
  const begin = performance.now()
  t.equal(await server.ended, 0)
  const took = performance.now() - begin
  t.ok(took < 2_000, 'the process ends by itself within 2 s')
  t.comment(`closed in ${Math.round(result.took)} ms, with ${Math.round(result.rss / 2 ** 20)} MiB; the process has ended ${Math.round(took)} ms later`)
  t.equal(result.ended, result.begun, 'every handler has ended')
  t.equal(result.disconnected, result.accepted, 'every onDisconnect has run')
  t.equal(result.disconnectedAgain, 0, 'no onDisconnect has run twice')
  t.equal(result.open, 0)
  return result
}

t.test('app.close() ends 5,000 connections of all kinds', async (t) => {
  const timeout = 8_000
  const all = { good: 3_700, mute: 600, deaf: 250, flooded: 50, waiting: 200, half: 100, silent: 100 }
  const kinds = Object.fromEntries(Object.entries(all).map(([kind, count]) => [kind, Math.floor(count * scale)])) as typeof all
  const accepted = kinds.good + kinds.mute + kinds.deaf + kinds.flooded
  const server = run(t, 'shutdown-server.js', timeout)
  const addresses = await server.line()
  const begin = performance.now()
  const clients = run(t, 'shutdown-clients.js', addresses, kinds, false)
  t.equal(await clients.line(), 'connected')
  while ((await counts(addresses)).begun < accepted + kinds.waiting) await setTimeout(20)
  t.comment(`connected to ${addresses.map(({ address }: any) => address).join(' and ')} in ${Math.round(performance.now() - begin)} ms`)

  const result = await close(t, server)
  t.ok(result.took >= CLOSE_TIMEOUT, 'clients that do not answer have got closeTimeout')
  t.ok(result.took < timeout, 'app.close() ends before its timeout')
  t.match(result, { begun: accepted + kinds.waiting, accepted })
  const ends = await clients.line()
  t.comment(JSON.stringify(ends))
  t.match(ends, { 'good 1012 restart': kinds.good, 'mute 1012 restart': kinds.mute, 'waiting 503': kinds.waiting })
})

for (const [name, stuck] of [['', 0], [', some of which never leave a hook', 1]] as const) {
  t.test(`app.close() ends while clients go on connecting${name}`, async (t) => {
    const timeout = 3_000
    const server = run(t, 'shutdown-server.js', timeout)
    const addresses = await server.line()
    const clients = run(t, 'shutdown-clients.js', addresses, { good: 10, slow: 10, waiting: 2, half: 1, stuck }, true)
    const enough = Math.floor(1_000 * scale)
    while ((await counts(addresses)).accepted < enough) await setTimeout(5)

    const result = await close(t, server)
    if (stuck === 0) t.ok(result.took < timeout, 'app.close() ends before its timeout')
    else t.ok(result.took >= timeout && result.took < timeout + 2_000, 'app.close() ends at its timeout')
    t.equal(await clients.line(), 'connected')
    const ends = await clients.line()
    t.comment(JSON.stringify(ends))
    t.equal(ends['good 1012 restart'] + ends['slow 1012 restart'], result.accepted, 'every accepted client got the close code and the reason')
    // All other clients got a 503, or no answer because the app no longer listened.
    t.same(Object.keys(ends).filter((end) => !/^(?:good|slow) 1012 restart$|^\w+ (?:503)?$/.test(end)), [])
  })
}
