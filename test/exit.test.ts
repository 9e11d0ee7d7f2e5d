import t from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { connectPeer } from './helpers/peer'

t.test('when the process exits, messages sent in that turn are lost, and messages sent before it are not', async (t) => {
  const server = spawn(process.execPath, [join(__dirname, 'fixtures', 'exit.js')], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => server.kill())
  const exited = once(server, 'exit')
  const [address] = await once(server.stdout, 'data')
  const peer = await connectPeer(t, String(address).trim().replace('http', 'ws'))
  t.same(await peer.rest(), ['in the turn before'])
  t.equal((await peer.closed).code, 1006)
  t.same(await exited, [0, null])
})
