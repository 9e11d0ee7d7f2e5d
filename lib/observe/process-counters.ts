import { Counters } from './counters'
import type { AppObserver, CountersByRoute } from './app-observer'

/* The counters of all apps in this process, for exporters that serve the process. */

const apps = new Set<AppObserver>()

/** The counters of the apps that have closed: what an exporter has told does not shrink. */
const ended: CountersByRoute = new Map()

/** Counts an app from now on. Returns a function for when the app has closed. */
export function countApp (app: AppObserver): () => void {
  apps.add(app)
  return () => {
    if (!apps.delete(app)) return
    addAll(ended, app.counters)
    ended.forEach((counters) => { counters.open = 0 })
  }
}

/** Returns the counters of the process by route. */
export function processCounters (): CountersByRoute {
  const total: CountersByRoute = new Map()
  addAll(total, ended)
  for (const app of apps) addAll(total, app.counters)
  return total
}

function addAll (total: CountersByRoute, counters: CountersByRoute): void {
  for (const [url, of] of counters) {
    const sum = total.get(url) ?? new Counters()
    total.set(url, sum.addAll(of))
  }
}
