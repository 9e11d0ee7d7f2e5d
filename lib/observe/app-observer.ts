import { Counters, type Traffic } from './counters'
import { RouteObserver } from './route-observer'
import type { WebSocketStats } from '../../types/observe'

/** An open connection, whose messages have not been counted for its route. */
export interface OpenConnection {
  readonly observer: RouteObserver
  readonly traffic: Traffic
}

/** The counters of routes, by their URLs; under null, those of what belongs to no route. */
export type CountersByRoute = Map<string | null, Counters>

/** Observes the routes of an app. */
export class AppObserver {
  /** Observes what belongs to no route. */
  readonly other = new RouteObserver()
  /** The open sockets of routes with `raw: true`. */
  readonly sockets = new Set<OpenConnection>()
  readonly #routes = new Map<string, RouteObserver>()
  readonly #sessions: () => Iterable<OpenConnection>

  /** `sessions`: the connections of the open sessions of the app. */
  constructor (sessions: () => Iterable<OpenConnection>) {
    this.#sessions = sessions
  }

  /** Returns the observer of a route, created if missing: constraints can tell several routes with one URL apart. */
  route (url: string): RouteObserver {
    let observer = this.#routes.get(url)
    if (observer === undefined) this.#routes.set(url, observer = new RouteObserver(url))
    return observer
  }

  /** Returns the observer of the GET route for which Fastify has added a HEAD route. Of '/' below a prefix, only one may have the slash. */
  headRoute (url: string): RouteObserver {
    const isSame = (other: string): boolean => other === url || `${other}/` === url || other === `${url}/`
    const known = [...this.#routes.keys()].find(isSame)
    return known === undefined ? this.other : this.route(known)
  }

  /** The counters of all routes, with the messages of the open sessions. */
  get counters (): CountersByRoute {
    const copies = new Map<RouteObserver, Counters>()
    for (const observer of [this.other, ...this.#routes.values()]) copies.set(observer, new Counters().addAll(observer.counters))
    for (const { observer, traffic } of [...this.sockets, ...this.#sessions()]) copies.get(observer)!.addTraffic(traffic)
    return new Map(Array.from(copies, ([{ route }, counters]) => [route?.url ?? null, counters]))
  }

  stats (brokerState: 'up' | 'down'): WebSocketStats {
    const all = new Counters()
    const routes: WebSocketStats['routes'] = {}
    for (const [url, counters] of this.counters) {
      all.addAll(counters)
      if (url !== null) routes[url] = counters.snapshot
    }
    return { ...all.snapshot, brokerState, routes }
  }
}
