import type { Connection, Library, Receiver, Server, Topology } from './library'

/** Milliseconds in which all connections are to be there. */
const OPENING = 4_000

/** Milliseconds from one ping to the next. */
const BEAT = 1_000

/** A connection is given up that nothing has come from since so many pings, each of which had a beat to be answered. */
const UNANSWERED = 3

/** What becomes of the connections. Nothing is told after `onEnd`, which is called once. */
export interface LinksListener {
  onUp (): void
  onMessage (channel: Buffer, message: Buffer): void
  onEnd (reason: Error): void
}

/**
 * All connections to Redis, two to each server: on one that has subscribed nothing else may be said, and messages that
 * come in do not hold up those that go out. They stand and fall together: what could be published while nobody here
 * listened, or the other way round, would be lost without a word.
 */
export class Links {
  readonly #listener: LinksListener
  readonly #abort = new AbortController()
  #serverOf!: Topology['serverOf']
  #publishers: Link[] = []
  #subscribers: Link[] = []
  #isUp = false
  #heartbeat?: NodeJS.Timeout

  constructor (listener: LinksListener) {
    this.#listener = listener
  }

  /**
   * Connects, and tells `onUp` when a message to a channel whose name begins with `probe` could be subscribed to and
   * published on every server, or `onEnd`. Never rejects.
   */
  async open (library: Library, probe: string): Promise<void> {
    const { signal } = this.#abort
    const limit = setTimeout(() => this.end(new Error(`Redis has not answered within ${OPENING} ms`)), OPENING)
    try {
      const { servers, serverOf } = await library.discover(signal)
      signal.throwIfAborted()
      this.#serverOf = serverOf
      this.#publishers = servers.map((server) => new Link(server, 'publisher', this))
      this.#subscribers = servers.map((server) => new Link(server, 'subscriber', this))
      await Promise.all(this.#all.map(({ connection }) => connection.open()))
      await Promise.all(servers.map((_, place) => this.#try(place, probe)))
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
    return this.#heed(this.#publishers[this.#serverOf(channel)].connection.publish(channel, message))
  }

  subscribe (channel: string): Promise<unknown> {
    return this.#heed(this.#subscribers[this.#serverOf(channel)].connection.subscribe(channel))
  }

  unsubscribe (channel: string): Promise<unknown> {
    return this.#heed(this.#subscribers[this.#serverOf(channel)].connection.unsubscribe(channel))
  }

  onMessage (channel: Buffer, message: Buffer): void {
    if (this.#isUp) this.#listener.onMessage(channel, message)
  }

  /** Drops all connections. What is under way rejects. */
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

  /** Does what is to be possible, on a channel of the server that is no topic's. */
  async #try (place: number, probe: string): Promise<void> {
    let n = 0
    while (this.#serverOf(`${probe}${n}`) !== place) n++
    await this.#subscribers[place].connection.subscribe(`${probe}${n}`)
    await this.#publishers[place].connection.publish(`${probe}${n}`, Buffer.alloc(0))
    await this.#subscribers[place].connection.unsubscribe(`${probe}${n}`)
  }

  /** A server that has the channel no more says so, or that there is nobody who has it. */
  #heed (answer: Promise<unknown>): Promise<unknown> {
    if (this.#publishers.length > 1) answer.catch(this.#onError)
    return answer
  }

  readonly #onError = (error: Error): void => {
    if (/^(MOVED|CLUSTERDOWN) /.test(error.message)) this.end(error)
  }
}

/** A connection, and whether anything comes from it. */
class Link implements Receiver {
  readonly connection: Connection
  readonly #links: Links
  /** How many pings there were since anything came. */
  #silence = 0

  constructor (server: Server, role: 'publisher' | 'subscriber', links: Links) {
    this.#links = links
    this.connection = server.connect(role, this)
  }

  /** Where the process has been busy for long, there is one beat, and what has come meanwhile is heard before the next. */
  beat (): void {
    if (this.#silence === UNANSWERED) return this.onEnd(new Error(`nothing has come from Redis for ${UNANSWERED * BEAT} ms`))
    this.#silence++
    this.connection.ping().then(this.#hear, this.#hear)
  }

  onMessage (channel: Buffer, message: Buffer): void {
    this.#silence = 0
    this.#links.onMessage(channel, message)
  }

  onEnd (reason: Error): void {
    this.#links.end(reason)
  }

  readonly #hear = (): void => { this.#silence = 0 }
}
