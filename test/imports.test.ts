import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import t from 'tap'

const root = join(__dirname, '..')

// From the bottom up: a file imports only from those before it, and everything may import from types.
const ORDER = [
  'show', 'clock', 'close', 'errors', 'upstream', 'checks', 'end', 'promise', 'queue', 'thrown', 'signal', 'verb-options', 'state', 'turn',
  'decode', 'encode', 'codec', 'frame', 'envelope', 'complaint', 'publication', 'broadcast', 'unmask', 'recipient', 'memory', 'receiver', 'raw', 'writer', 'backlog', 'inbox', 'agenda', 'heartbeat', 'lifesign', 'idleness', 'rate-limit', 'congestion', 'outbox', 'socket', 'expectation', 'sift', 'channel',
  'headers', 'answered', 'watch', 'handshake', 'response', 'opening', 'refusal', 'upgrader', 'adapter', 'limit', 'pipelined', 'others', 'other-protocols', 'connections', 'fastify-internals', 'lookup', 'few', 'topics', 'link', 'hub', 'origins', 'options', 'subscriber', 'session', 'schema', 'serve', 'service', 'shutdown',
  'route', 'define', 'registration', 'declared', 'upgrade', 'sessions', 'client-options', 'client', 'inject', 'plugin', 'index',
  // Of use to nobody but those who import them from the package.
  'brokers/redis-slot', 'brokers/redis-library', 'brokers/ioredis', 'brokers/node-redis', 'brokers/redis-links', 'brokers/redis', 'brokers/nats'
]

function importsOf (file: string): string[] {
  const source = readFileSync(join(root, file), 'utf8')
  return [...source.matchAll(/(?:from|import|require\() *'(\.{1,2}\/[^']+)'/g)].map((match) => match[1])
}

t.test('the order names every file of lib', async (t) => {
  const files = ['', 'brokers'].flatMap((folder) => readdirSync(join(root, 'lib', folder)).map((name) => posix.join(folder, name)))
  t.strictSame(files.filter((name) => name.endsWith('.ts')).map((name) => name.slice(0, -3)).sort(), [...ORDER].sort())
})

for (const [place, name] of ORDER.entries()) {
  t.test(`lib/${name} imports only from what stands below it`, async (t) => {
    for (const path of importsOf(`lib/${name}.ts`)) {
      const imported = posix.join('lib', posix.dirname(name), path)
      if (imported.startsWith('types/')) continue
      t.ok(ORDER.slice(0, place).includes(imported.replace('lib/', '')), path)
    }
    t.pass('looked at all imports')
  })
}

t.test('types import nothing from lib', async (t) => {
  for (const name of readdirSync(join(root, 'types'))) {
    t.same(importsOf(`types/${name}`).filter((path) => !path.startsWith('./')), [], name)
  }
})
