import { channelContract, type Open } from '../contract/channel'
import { connectingContract } from '../contract/connecting'
import { unhandledRejections } from '../helpers/unhandled'
import { exceptionsOf } from './exceptions'
import { RemoteEnd } from './remote-end'
import { runTests, type Report } from './runner'
import type { ClientModule } from '../helpers/client-module'

/*
 * What runs on the platform. `npm run build` has made the client; the other ends of its channels are in the process of the host.
 */

// The compiler options of this package do not include the globals of a page. Node 20 has no `navigator`.
const { navigator, addEventListener } = globalThis as {
  navigator?: { userAgent: string }
  addEventListener?: (event: 'error', listener: (event: { message: string }) => void) => void
}

/** Runs the contracts against `client`, and reports to the host at `url`. */
export async function run (client: ClientModule, url: string): Promise<void> {
  const uncaught: string[] = []
  addEventListener?.('error', ({ message }) => uncaught.push(`not caught: ${message}`))
  let report!: Report
  const known = new Error('the last one')
  const unhandled = await unhandledRejections(async () => {
    report = await runTests((t) => {
      channelContract(t, channelsOf(client, url))
      connectingContract(t, client, url)
    }, exceptionsOf(navigator?.userAgent ?? ''))
    Promise.reject(known)
  })
  if (unhandled.pop() !== known) report.failures.push('this platform does not tell of unhandled rejections')
  report.failures.push(...uncaught, ...unhandled.map((reason) => `not handled: ${String(reason)}`))
  await fetch(`${url}/report`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(report) })
}

function channelsOf ({ connect }: ClientModule, url: string): Open {
  return async (t, { isCompressed = false, subprotocol, closeTimeout, ...options } = {}) => {
    const peer = await RemoteEnd.open(t, url)
    const subprotocols = subprotocol === undefined ? [] : [subprotocol]
    const channel = await connect(await peer.url(isCompressed), { ...options, subprotocols })
    return { channel, peer }
  }
}
