import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { connectPeer } from './helpers/peer'

t.test('what was sent in the turn in which the process exits is lost, what was sent before it is not', async (t) => {
  const server = spawn(process.execPath, [join(__dirname, 'fixtures', 'exit.js')], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => server.kill())
  const exited = once(server, 'exit')
  const [address] = await once(server.stdout, 'data')
  const peer = await connectPeer(t, String(address).trim().replace('http', 'ws'))
  t.same(await peer.rest(), ['in the turn before'])
  t.equal((await peer.closed).code, 1006)
  t.same(await exited, [0, null])
})
