import t from 'tap'
import { AppObserver } from '../../lib/observe/app-observer'
import { countApp, processCounters } from '../../lib/observe/process-counters'
import type { WebSocketCounters } from '../../types/observe'

function counted (): Record<string, WebSocketCounters> {
  return Object.fromEntries(Array.from(processCounters(), ([url, counters]) => [String(url), counters.snapshot]))
}

t.test('the counters of all apps add up, and do not shrink when an app closes', async (t) => {
  const apps = [new AppObserver(() => []), new AppObserver(() => [])]
  const [end, ...others] = apps.map(countApp)
  for (const app of apps) {
    app.route('/a').accepted({ isRaw: true, request: {} as any }, 101, '')
    app.other.refused(null, 404, null)
  }
  apps[1].route('/b').published(null, 'x', 'message')
  const before = counted()
  t.match(before, { '/a': { connections: { open: 2, accepted: 2 } }, '/b': { publications: 1 }, null: { refusals: { 404: 2 } } })
  end()
  end()
  const after = counted()
  t.match(after, { '/a': { connections: { open: 1, accepted: 2 } }, '/b': { publications: 1 }, null: { refusals: { 404: 2 } } })
  others.forEach((end) => end())
  t.match(counted(), { '/a': { connections: { open: 0, accepted: 2 } }, '/b': { publications: 1 }, null: { refusals: { 404: 2 } } })
})
