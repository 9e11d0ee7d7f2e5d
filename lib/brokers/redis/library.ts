import { SLOTS, slotOf } from './slot'

/*
 * What is needed of a library that speaks to Redis. Every connection is made for one attempt, and does not come back by
 * itself: so it is known of each when it began and when it ended, and none has anything left over from before.
 */

/** What comes of a connection. */
export interface Receiver {
  /** `message` may lie in memory that is used again. */
  onMessage (channel: Buffer, message: Buffer): void
  /** The connection, or what it was made for, is no more. May be called more than once, and after `destroy`. */
  onEnd (reason: Error): void
}

/** One connection to one server. What is under way when it ends rejects, and so does all that comes later. */
export interface Connection {
  /** Resolves when there is a server that takes commands from this user. */
  open (): Promise<unknown>
  publish (channel: string, message: Buffer): Promise<unknown>
  /** Resolves when the server has confirmed it. */
  subscribe (channel: string): Promise<unknown>
  unsubscribe (channel: string): Promise<unknown>
  /** Resolves or rejects with the answer of the server, whatever it is. */
  ping (): Promise<unknown>
  /** Drops the connection, at whatever stage it is, without a word to the server. Never throws. */
  destroy (): void
}

/** A server, and how connections to it are made. */
export interface Server {
  connect (role: 'publisher' | 'subscriber', receiver: Receiver): Connection
}

/** The servers that the channels are shared out over. */
export interface Topology {
  servers: Server[]
  /** The place in `servers` of the one that has `channel`. */
  serverOf (channel: string): number
}

/** A library, with the user's client as the pattern of all that it makes. */
export interface Library {
  /** Finds out what servers there are. Leaves nothing open; gives up when `signal` is aborted. */
  discover (signal: AbortSignal): Promise<Topology>
}

/** One server that has all channels. */
export function single (server: Server): Topology {
  return { servers: [server], serverOf: () => 0 }
}

/** The masters of a cluster. `masterOf` tells who has a slot; throws where nobody has one. */
export function sharded<Master> (masterOf: (slot: number) => Master | undefined, toServer: (master: Master) => Server): Topology {
  const masters = new Map<Master, number>()
  const places = Uint16Array.from({ length: SLOTS }, (_, slot) => {
    const master = masterOf(slot)
    if (master === undefined) throw new Error(`no server of the cluster has slot ${slot}`)
    if (!masters.has(master)) masters.set(master, masters.size)
    return masters.get(master)!
  })
  return { servers: [...masters.keys()].map(toServer), serverOf: (channel) => places[slotOf(channel)] }
}
