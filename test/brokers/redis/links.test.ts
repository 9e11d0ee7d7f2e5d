import { Cluster, Redis } from 'ioredis'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ioredis } from '../../../lib/brokers/redis/ioredis'
import { Links, type LinksListener } from '../../../lib/brokers/redis/links'
import type { Library } from '../../../lib/brokers/redis/library'
import { Link } from '../../helpers/broker-link'
import { RedisCluster, RedisServer, skip } from '../../helpers/redis'

interface Opened {
  links: Links
  /** The calls of the listener, in order. */
  calls: string[]
  opened: Promise<void>
  ended: Promise<void>
}

function libraryOf (port: number): Library {
  return ioredis(new Redis({ host: '127.0.0.1', port, lazyConnect: true }))!
}

function open (t: Test, library: Library): Opened {
  const calls: string[] = []
  let end: () => void
  const ended = new Promise<void>((resolve) => { end = resolve })
  const listener: LinksListener = {
    onUp () { calls.push('up') },
    onMessage (channel, message) { calls.push(`${channel}: ${message}`) },
    onEnd (reason) {
      calls.push(`end: ${reason.message}`)
      end()
    }
  }
  const links = new Links(listener)
  t.teardown(() => links.end(new Error('the test is over')))
  return { links, calls, opened: links.open(library, 'probe'), ended }
}

t.test('connections to Redis', { skip }, async (t) => {
  t.jobs = 4

  t.test('when the links are up, messages go out and come in, but the probe does not', async (t) => {
    const server = await RedisServer.start(t)
    const { links, calls, opened } = open(t, libraryOf(server.port))
    await opened
    t.strictSame(calls, ['up'])
    await links.subscribe('a')
    await links.subscribe('b')
    await links.unsubscribe('a')
    await links.publish('a', Buffer.from('missed'))
    await links.publish('b', Buffer.from('hello'))
    while (calls.length < 2) await setTimeout(2)
    t.strictSame(calls, ['up', 'b: hello'])
  })

  t.test('a server that cannot be reached is an end, without onUp', async (t) => {
    const { calls, opened } = open(t, libraryOf(1))
    await opened
    t.match(calls, [/^end: .*ECONNREFUSED/])
    t.equal(calls.length, 1)
  })

  t.test('the links give up a server that does not answer', async (t) => {
    const server = await RedisServer.start(t)
    await server.freeze()
    t.teardown(() => server.thaw())
    const begin = performance.now()
    const { calls, ended } = open(t, libraryOf(server.port))
    await ended
    t.strictSame(calls, ['end: Redis has not answered within 4000 ms'])
    t.ok(performance.now() - begin < 5_000)
  })

  t.test('the links end once, and report nothing after it', async (t) => {
    const server = await RedisServer.start(t)
    const { links, calls, opened } = open(t, libraryOf(server.port))
    await opened
    await links.subscribe('a')
    const underWay = links.publish('a', Buffer.from('hello'))
    links.end(new Error('enough'))
    links.end(new Error('more than enough'))
    await t.rejects(underWay)
    await server.kill()
    t.strictSame(calls, ['up', 'end: enough'])
  })

  t.test('links that end during the discovery do not connect', async (t) => {
    const { links, calls, opened } = open(t, { discover: () => setTimeout(10, { publish: 'PUBLISH' as const, servers: [{ connect: () => t.fail('connected') as never }], serverOf: () => 0 }) })
    links.end(new Error('enough'))
    await opened
    t.strictSame(calls, ['end: enough'])
  })

  t.test('the links give up a silent server, but not an idle one', async (t) => {
    const server = await RedisServer.start(t)
    const link = await Link.start(t, server.port)
    const idle = open(t, libraryOf(server.port))
    const silent = open(t, libraryOf(link.port))
    await Promise.all([idle.opened, silent.opened])
    link.die()
    await silent.ended
    t.strictSame(silent.calls, ['up', 'end: nothing has come from Redis for 3000 ms'])
    t.strictSame(idle.calls, ['up'])
  })

  t.test('in a cluster, the links end when a channel has moved, but not when the user lacks permission for it', async (t) => {
    const cluster = await RedisCluster.start(t)
    const { links, calls, opened, ended } = open(t, ioredis(new Cluster(cluster.addresses, { lazyConnect: true }))!)
    await opened
    for (const node of cluster.nodes) await node.ask('acl', 'setuser', 'default', 'resetchannels', '&a*')
    await t.rejects(links.publish('b', Buffer.from('hello')), { message: /NOPERM/ })
    t.strictSame(calls, ['up'])
    await cluster.move('a')
    await t.rejects(links.publish('a', Buffer.from('hello')), { message: /MOVED/ })
    await ended
    t.match(calls[1], /^end: MOVED/)
  })
})
