import { toBuffer } from '../../base/to-buffer'
import { append, read, readNewest, type Script } from './scripts'
import type { BrokerEntry, BrokerHistory, Retention } from '../../../types/broker'
import type { Connection } from './library'
import type { Links } from './links'

/*
 * A topic with history has a stream, its log, and a channel. On a cluster, both are in one slot, since both names have the same hash
 * tag: what stands between the first two braces. A name that begins with a brace is none of a topic without history, as long as the
 * prefix does not begin so.
 */

/** With what the channels of topics with history begin. */
export const OPENING = '{h:'

const CLOSING = '}'
const SUFFIX = ':log'

/** A position of a stream: the milliseconds, and a number. Redis takes numbers of 64 bits. */
const POSITION = /^\d{1,19}-\d{1,19}$/

const SPACE = 0x20

/** The part of the broker that keeps messages, in streams. */
export class RedisHistory implements BrokerHistory {
  readonly #prefix: string
  readonly #links: () => Links
  readonly #onEntry: (topic: string, position: string, message: Buffer) => void
  /** The servers that have the scripts, or are getting them. */
  readonly #prepared = new WeakMap<Connection, Promise<unknown>>()

  /** `links` throws while the broker is not up. */
  constructor (prefix: string, links: () => Links, onEntry: (topic: string, position: string, message: Buffer) => void) {
    this.#prefix = `${OPENING}${prefix}`
    this.#links = links
    this.#onEntry = onEntry
  }

  async subscribe (topic: string): Promise<void> {
    await this.#links().subscribe(this.#channel(topic))
  }

  async unsubscribe (topic: string): Promise<void> {
    await this.#links().unsubscribe(this.#channel(topic))
  }

  async append (topic: string, message: Uint8Array, { size, ttl, maxBytes }: Retention): Promise<string> {
    const channel = this.#channel(topic)
    const words = [toBuffer(message), String(size), String(Math.ceil(ttl)), String(maxBytes), this.#links().publishCommand]
    return String(await this.#run(append, channel, [channel + SUFFIX, channel], words))
  }

  async read (topic: string, position: string, count: number, { size, ttl }: Retention): Promise<BrokerEntry[]> {
    if (!POSITION.test(position)) return []
    const channel = this.#channel(topic)
    const reply = await this.#run(read, channel, [channel + SUFFIX], [String(count), String(size), String(Math.ceil(ttl)), position])
    return entriesIn(reply)
  }

  async readNewest (topic: string, count: number, { size, ttl }: Retention): Promise<BrokerEntry[]> {
    const channel = this.#channel(topic)
    const reply = await this.#run(readNewest, channel, [channel + SUFFIX], [String(count), String(size), String(Math.ceil(ttl))])
    return entriesIn(reply).reverse()
  }

  compare (a: string, b: string): number {
    const [aTime, aNumber] = a.split('-')
    const [bTime, bNumber] = b.split('-')
    return Number(aTime) - Number(bTime) || Number(aNumber) - Number(bNumber)
  }

  /** A message has come on a channel of a topic with history. */
  onMessage (channel: string, message: Buffer): void {
    const end = message.indexOf(SPACE)
    this.#onEntry(channel.slice(this.#prefix.length, -CLOSING.length), message.toString('latin1', 0, end), message.subarray(end + 1))
  }

  #channel (topic: string): string {
    return `${this.#prefix}${topic}${CLOSING}`
  }

  // The messages of this process stay in order: none is sent before the server has the scripts, and each is sent in its turn then.
  async #run (script: Script, channel: string, keys: string[], words: (string | Buffer)[]): Promise<unknown> {
    const links = this.#links()
    await this.#prepare(links, channel)
    const rest = [String(keys.length), ...keys, ...words]
    try {
      return await links.command(channel, 'EVALSHA', script.sha, ...rest)
    } catch (error) {
      if (!/^NOSCRIPT/.test((error as Error).message)) throw error
      return await links.command(channel, 'EVAL', script.text, ...rest) // somebody has flushed the scripts
    }
  }

  #prepare (links: Links, channel: string): Promise<unknown> | undefined {
    const server = links.server(channel)
    let prepared = this.#prepared.get(server)
    if (prepared === undefined) {
      prepared = Promise.all([append, read, readNewest].map(({ text }) => links.command(channel, 'SCRIPT', 'LOAD', text)))
      this.#prepared.set(server, prepared)
    }
    return prepared
  }
}

/** The entries in the reply of XRANGE: pairs of a position and a list of fields and values. */
function entriesIn (reply: unknown): BrokerEntry[] {
  return (reply as [Buffer, [Buffer, Buffer]][]).map(([position, [, message]]) => ({ position: position.toString('latin1'), message }))
}
