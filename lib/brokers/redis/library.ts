import { SLOTS, slotOf } from './slot'

/*
 * The interface of a Redis library. A connection is made for one attempt and does not reconnect by itself. So the broker knows when
 * each connection begins and ends, and no connection has state left over from an earlier one.
 */

/** Gets the events of a connection. */
export interface Receiver {
  /** The library may reuse the memory of `message` after the call. */
  onMessage (channel: Buffer, message: Buffer): void
  /** The connection has ended or no longer serves its purpose. `onEnd` may be called more than once, and after `destroy`. */
  onEnd (reason: Error): void
}

/** The commands for scripts. */
export type Command = 'EVAL' | 'EVALSHA' | 'SCRIPT'

/** One connection to one server. When the connection ends, pending calls reject. Later calls reject, too. */
export interface Connection {
  /** Resolves when the server takes commands from this user. */
  open (): Promise<unknown>
  publish (channel: string, message: Buffer): Promise<unknown>
  /** Sends a command. Resolves with its reply, in which strings are buffers. */
  command (command: Command, ...words: (string | Buffer)[]): Promise<unknown>
  /** Resolves when the server has confirmed the subscription. */
  subscribe (channel: string): Promise<unknown>
  unsubscribe (channel: string): Promise<unknown>
  /** Resolves or rejects with any answer of the server. */
  ping (): Promise<unknown>
  /** Drops the connection in any state, without a command to the server. Never throws. */
  destroy (): void
}

/** A server, and the way to connect to it. */
export interface Server {
  connect (role: 'publisher' | 'subscriber', receiver: Receiver): Connection
}

/** The servers over which the channels are distributed. */
export interface Topology {
  /** The command that publishes. */
  publish: 'PUBLISH' | 'SPUBLISH'
  servers: Server[]
  /** The index in `servers` of the server that has `channel`. */
  serverOf (channel: string): number
}

/** A library. It makes its connections after the pattern of the user's client. */
export interface Library {
  /** Finds the servers. Leaves no connection open. Rejects when `signal` aborts. */
  discover (signal: AbortSignal): Promise<Topology>
}

/** The topology of one server that has all channels. */
export function single (server: Server): Topology {
  return { publish: 'PUBLISH', servers: [server], serverOf: () => 0 }
}

/** The topology of the masters of a cluster. `masterOf` returns the master of a slot. Throws if a slot has no master. */
export function sharded<Master> (masterOf: (slot: number) => Master | undefined, toServer: (master: Master) => Server): Topology {
  const masters = new Map<Master, number>()
  const places = Uint16Array.from({ length: SLOTS }, (_, slot) => {
    const master = masterOf(slot)
    if (master === undefined) throw new Error(`no server of the cluster has slot ${slot}`)
    if (!masters.has(master)) masters.set(master, masters.size)
    return masters.get(master)!
  })
  return { publish: 'SPUBLISH', servers: [...masters.keys()].map(toServer), serverOf: (channel) => places[slotOf(channel)] }
}
