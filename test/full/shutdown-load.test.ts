import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'

/* app.close() with thousands of connections: the app is a process of its own, and so are its clients. */

/** Milliseconds that the app gives a connection to answer its close. */
const CLOSE_TIMEOUT = 1_000

/** 1, or less where a process may not have so many files open. */
const scale = Math.min(1, ((Number(spawnSync('ulimit -n', { shell: true }).stdout) || Infinity) - 100) / 5_000)

interface Script {
  child: ChildProcess
  /** The next line that it prints. */
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

/** What the app has counted so far. */
async function counts ([{ port }]: { port: number }[]): Promise<any> {
  return await (await fetch(`http://127.0.0.1:${port}/counts`, { headers: { connection: 'close' } })).json()
}

/** Has the app close, and resolves with what it has to say when its process has ended. */
async function close (t: Test, server: Script): Promise<any> {
  server.child.kill('SIGTERM')
  const result = await server.line()
  const begin = performance.now()
  t.equal(await server.ended, 0)
  const took = performance.now() - begin
  t.ok(took < 2_000, 'by itself, at once')
  t.comment(`closed in ${Math.round(result.took)} ms, with ${Math.round(result.rss / 2 ** 20)} MiB; the process has ended ${Math.round(took)} ms later`)
  t.equal(result.ended, result.begun, 'every handler has ended')
  t.equal(result.disconnected, result.accepted, 'every onDisconnect has run')
  t.equal(result.disconnectedAgain, 0, 'once')
  t.equal(result.open, 0)
  return result
}

t.test('app.close() with 5,000 connections of all sorts', async (t) => {
  const timeout = 8_000
  const all = { good: 3_700, mute: 600, deaf: 250, flooded: 50, waiting: 200, half: 100, silent: 100 }
  const kinds = Object.fromEntries(Object.entries(all).map(([kind, count]) => [kind, Math.floor(count * scale)])) as typeof all
  const accepted = kinds.good + kinds.mute + kinds.deaf + kinds.flooded
  const server = run(t, 'shutdown-server.js', timeout)
  const addresses = await server.line()
  const begin = performance.now()
  const clients = run(t, 'shutdown-clients.js', addresses, kinds, false)
  t.equal(await clients.line(), 'there')
  while ((await counts(addresses)).begun < accepted + kinds.waiting) await setTimeout(20)
  t.comment(`connected to ${addresses.map(({ address }: any) => address).join(' and ')} in ${Math.round(performance.now() - begin)} ms`)

  const result = await close(t, server)
  t.ok(result.took >= CLOSE_TIMEOUT, 'those that do not answer have had their time')
  t.ok(result.took < timeout, 'nothing had to be dropped')
  t.match(result, { begun: accepted + kinds.waiting, accepted })
  const ends = await clients.line()
  t.comment(JSON.stringify(ends))
  t.match(ends, { 'good 1012 restart': kinds.good, 'mute 1012 restart': kinds.mute, 'waiting 503': kinds.waiting })
})

for (const [name, stuck] of [['', 0], [', some of which never come out of a hook', 1]] as const) {
  t.test(`app.close() while clients go on connecting${name}`, async (t) => {
    const timeout = 3_000
    const server = run(t, 'shutdown-server.js', timeout)
    const addresses = await server.line()
    const clients = run(t, 'shutdown-clients.js', addresses, { good: 10, slow: 10, waiting: 2, half: 1, stuck }, true)
    const enough = Math.floor(1_000 * scale)
    while ((await counts(addresses)).accepted < enough) await setTimeout(5)

    const result = await close(t, server)
    if (stuck === 0) t.ok(result.took < timeout, 'nothing had to be dropped')
    else t.ok(result.took >= timeout && result.took < timeout + 2_000, 'what never ends was dropped')
    t.equal(await clients.line(), 'there')
    const ends = await clients.line()
    t.comment(JSON.stringify(ends))
    t.equal(ends['good 1012 restart'] + ends['slow 1012 restart'], result.accepted, 'who was accepted was told')
    // The rest got its answer, or nobody listened any more.
    t.same(Object.keys(ends).filter((end) => !/^(?:good|slow) 1012 restart$|^\w+ (?:503)?$/.test(end)), [])
  })
}
