import type { Command, Connection, Library, Receiver, Server, Topology } from './library'

/** Milliseconds within which all connections must be open. */
const OPENING = 4_000

/** Milliseconds from one ping to the next. */
const BEAT = 1_000

/** A connection ends if nothing has come from it since so many pings. Each ping has a BEAT to be answered. */
const UNANSWERED = 3

/** Gets the events of all connections. `onEnd` is called once; no event follows it. */
export interface LinksListener {
  onUp (): void
  onMessage (channel: Buffer, message: Buffer): void
  onEnd (reason: Error): void
}

/**
 * All connections to Redis. Each server has two: a connection that has subscribed may send no other commands, and incoming messages
 * do not delay outgoing ones. If one connection ends, all end: if this process could publish but not receive, or the other way
 * round, messages would be lost silently.
 */
export class Links {
  readonly #listener: LinksListener
  readonly #abort = new AbortController()
  #topology!: Topology
  #publishers: Link[] = []
  #subscribers: Link[] = []
  #isUp = false
  #heartbeat?: NodeJS.Timeout

  constructor (listener: LinksListener) {
    this.#listener = listener
  }

  /**
   * Opens the connections. Calls `onUp` when every server has let it subscribe to, and publish on, a channel whose name begins with
   * `probe`. Calls `onEnd` if a step fails. Never rejects.
   */
  async open (library: Library, probe: string): Promise<void> {
    const { signal } = this.#abort
    const limit = setTimeout(() => this.end(new Error(`Redis has not answered within ${OPENING} ms`)), OPENING)
    try {
      const { servers } = this.#topology = await library.discover(signal)
      signal.throwIfAborted()
      this.#publishers = servers.map((server) => new Link(server, 'publisher', this))
      this.#subscribers = servers.map((server) => new Link(server, 'subscriber', this))
      await Promise.all(this.#all.map(({ connection }) => connection.open()))
      await Promise.all(servers.map((_, place) => this.#probe(place, probe)))
      signal.throwIfAborted()
      this.#isUp = true
      this.#heartbeat = setInterval(() => this.#beat(), BEAT).unref()
      this.#listener.onUp()
    } catch (error) {
      this.end(error as Error)
    } finally {
      clearTimeout(limit)
    }
  }

  publish (channel: string, message: Buffer): Promise<unknown> {
    return this.#endIfMoved(this.#publishers[this.#topology.serverOf(channel)].connection.publish(channel, message))
  }

  /** The command that publishes. */
  get publishCommand (): Topology['publish'] {
    return this.#topology.publish
  }

  /** The connection for commands to the server that has `channel`. It is the same until the links end. */
  server (channel: string): Connection {
    return this.#publishers[this.#topology.serverOf(channel)].connection
  }

  /** Sends a command to the server that has `channel`. */
  command (channel: string, command: Command, ...words: (string | Buffer)[]): Promise<unknown> {
    return this.#endIfMoved(this.server(channel).command(command, ...words))
  }

  subscribe (channel: string): Promise<unknown> {
    return this.#endIfMoved(this.#subscribers[this.#topology.serverOf(channel)].connection.subscribe(channel))
  }

  unsubscribe (channel: string): Promise<unknown> {
    return this.#endIfMoved(this.#subscribers[this.#topology.serverOf(channel)].connection.unsubscribe(channel))
  }

  onMessage (channel: Buffer, message: Buffer): void {
    if (this.#isUp) this.#listener.onMessage(channel, message)
  }

  /** Drops all connections. Pending calls reject. */
  end (reason: Error): void {
    if (this.#abort.signal.aborted) return
    this.#abort.abort()
    this.#isUp = false
    clearInterval(this.#heartbeat)
    for (const { connection } of this.#all) connection.destroy()
    this.#listener.onEnd(reason)
  }

  get #all (): Link[] {
    return [...this.#publishers, ...this.#subscribers]
  }

  #beat (): void {
    for (const link of this.#all) link.beat()
  }

  /** Subscribes, publishes and unsubscribes once, on a channel of the server at `place` that no topic has. */
  async #probe (place: number, probe: string): Promise<void> {
    let n = 0
    while (this.#topology.serverOf(`${probe}${n}`) !== place) n++
    await this.#subscribers[place].connection.subscribe(`${probe}${n}`)
    await this.#publishers[place].connection.publish(`${probe}${n}`, Buffer.alloc(0))
    await this.#subscribers[place].connection.unsubscribe(`${probe}${n}`)
  }

  /** Ends all connections if the server answers that the channel has moved to another server, or that no server has it. */
  #endIfMoved (answer: Promise<unknown>): Promise<unknown> {
    if (this.#publishers.length > 1) answer.catch(this.#onError)
    return answer
  }

  readonly #onError = (error: Error): void => {
    if (/^(MOVED|CLUSTERDOWN) /.test(error.message)) this.end(error)
  }
}

/** A connection with a heartbeat. */
class Link implements Receiver {
  readonly connection: Connection
  readonly #links: Links
  /** The number of pings since anything came from the connection. */
  #silence = 0

  constructor (server: Server, role: 'publisher' | 'subscriber', links: Links) {
    this.#links = links
    this.connection = server.connect(role, this)
  }

  /**
   * Sends a ping, or ends all connections if too many pings are unanswered. After a long block of the event loop, the interval
   * fires once, and answers that came meanwhile are read before the next beat.
   */
  beat (): void {
    if (this.#silence === UNANSWERED) return this.onEnd(new Error(`nothing has come from Redis for ${UNANSWERED * BEAT} ms`))
    this.#silence++
    this.connection.ping().then(this.#onAnswer, this.#onAnswer)
  }

  onMessage (channel: Buffer, message: Buffer): void {
    this.#silence = 0
    this.#links.onMessage(channel, message)
  }

  onEnd (reason: Error): void {
    this.#links.end(reason)
  }

  readonly #onAnswer = (): void => { this.#silence = 0 }
}
