import { detailsOf, show } from '../../base/show'
import { toBuffer } from '../../base/to-buffer'
import { Feed } from './feed'
import { LongMessages } from './long-messages'
import { NoRespondersError, type Requests } from './requests'
import { readBackward, readForward, type Kept } from './reading'
import { partOf, Stream } from './stream'
import type { BrokerEntry, BrokerHistory, Retention } from '../../../types/broker'
import type { Message } from './connection'
import type { Subscriptions } from './subscriptions'

/** A position: the sequence number of a message in its stream. */
const POSITION = /^[1-9]\d{0,15}$/

const API = '$JS.API.'
const NOT_FOUND = 404

/** The error codes of the server: the stream exists, with another configuration; it does not exist; JetStream is not enabled. */
const NAME_IN_USE = 10058
const NO_STREAM = 10059
const NOT_ENABLED = [10039, 10076]

const HOW_TO_ENABLE = 'JetStream is not enabled, and topics with history need it: set jetstream in the configuration of the NATS server, and in that of the account if the server has accounts'

/** An answer of the API of JetStream. */
interface Answer {
  error?: { code: number, err_code?: number, description: string }
  /** The sequence number of a message that the server keeps from now on. */
  seq?: number
  /** A message, its content in base64. An empty message has no content. */
  message?: { seq: number, data?: string }
}

/** The app's side of the history. */
export interface HistoryListener {
  /** Throws while the broker is not up. */
  check (): void
  onEntry (topic: string, position: string, message: Uint8Array): void
  /** A live message has not come. */
  onGap (error: Error): void
}

/** The part of the broker that keeps messages, in streams of JetStream. */
export class NatsHistory implements BrokerHistory {
  readonly #prefix: string
  readonly #requests: Requests
  readonly #subscriptions: Subscriptions
  readonly #listener: HistoryListener
  /** The streams that this process has used. */
  readonly #streams = new Map<string, Stream>()
  /** The topics with subscriptions, by their live subjects. */
  readonly #feeds = new Map<string, Feed>()
  readonly #longMessages = new LongMessages()

  constructor (prefix: string, requests: Requests, subscriptions: Subscriptions, listener: HistoryListener) {
    this.#prefix = prefix
    this.#requests = requests
    this.#subscriptions = subscriptions
    this.#listener = listener
  }

  async subscribe (topic: string, retention: Retention): Promise<void> {
    const stream = this.#streamOf(topic, retention)
    const subject = stream.lives.of(topic)
    let feed = this.#feeds.get(subject)
    if (feed === undefined) {
      feed = this.#createFeed(stream, topic, retention)
      this.#feeds.set(subject, feed)
      feed.begun = this.#begin(stream, topic, feed)
    }
    await feed.begun
  }

  async unsubscribe (topic: string, retention: Retention): Promise<void> {
    this.#leave(this.#streamOf(topic, retention), topic)
  }

  async append (topic: string, message: Uint8Array, retention: Retention): Promise<string> {
    const stream = this.#streamOf(topic, retention)
    const number = ++stream.appends
    const ready = this.#ready(stream)
    await ready
    const position = await this.#append(stream, topic, message).catch(async (error) => {
      if (!(error instanceof NoRespondersError)) throw error
      if (stream.ready === ready) stream.lose()
      if (number !== stream.appends) throw error // to publish again now would change the order of the messages
      await this.#ready(stream)
      return await this.#append(stream, topic, message)
    })
    // The messages of a topic with a subscription are counted when they come.
    if (!this.#feeds.has(stream.lives.of(topic))) this.#bound(stream, topic, Number(position), message, retention)
    return position
  }

  async read (topic: string, position: string, count: number, retention: Retention): Promise<BrokerEntry[]> {
    const stream = this.#streamOf(topic, retention)
    const sequence = POSITION.test(position) ? Number(position) : NaN
    if (!Number.isSafeInteger(sequence)) return []
    const newest = await this.#newest(stream, topic)
    if (newest === null || newest.sequence < sequence) return []
    const next = this.#next(stream, topic, newest)
    return await this.#kept(stream, topic, await readForward(next, sequence, count))
  }

  async readNewest (topic: string, count: number, retention: Retention): Promise<BrokerEntry[]> {
    const stream = this.#streamOf(topic, retention)
    const newest = await this.#newest(stream, topic)
    if (newest === null || count === 1) return newest === null ? [] : [newest]
    const next = this.#next(stream, topic, newest)
    return await this.#kept(stream, topic, await readBackward(next, await next(1) ?? newest, newest, count))
  }

  compare (a: string, b: string): number {
    return Number(a) - Number(b)
  }

  /** The broker is no longer up: its subscriptions are gone, and whether the server still has the streams is not known. */
  reset (): void {
    for (const stream of this.#streams.values()) stream.ready = undefined
    for (const feed of this.#feeds.values()) feed.close()
    this.#feeds.clear()
  }

  #createFeed (stream: Stream, topic: string, retention: Retention): Feed {
    return new Feed(({ sequence, data }) => {
      this.#listener.onEntry(topic, String(sequence), data)
      this.#bound(stream, topic, sequence, data, retention)
    }, () => this.#listener.onGap(new Error(`a message of the topic ${show(topic)} has not come from NATS`)))
  }

  // Which message is the last one is asked after the subscription has begun. The ones after it come live, each with the one before it.
  async #begin (stream: Stream, topic: string, feed: Feed): Promise<void> {
    try {
      await this.#ready(stream)
      if (feed.isClosed) return
      await this.#subscriptions.subscribe(stream.lives.of(topic), ({ headers, data }) => {
        const sequence = Number(headers?.get('Nats-Sequence'))
        if (sequence > 0) feed.add({ sequence, previous: Number(headers!.get('Nats-Last-Sequence')), data }) // others have no number
      })
      const newest = await this.#newest(stream, topic)
      feed.begin(newest?.sequence ?? 0)
    } catch (error) {
      if (!feed.isClosed) this.#leave(stream, topic)
      throw error
    }
  }

  #leave (stream: Stream, topic: string): void {
    const subject = stream.lives.of(topic)
    this.#subscriptions.unsubscribe(subject)
    this.#feeds.get(subject)?.close()
    this.#feeds.delete(subject)
    this.#longMessages.delete(stream.logs.of(topic))
  }

  /** The stream of a topic. Throws while the broker is not up. */
  #streamOf (topic: string, retention: Retention): Stream {
    this.#listener.check()
    const part = partOf(topic)
    const key = `${retention.size} ${retention.ttl} ${part}`
    let stream = this.#streams.get(key)
    if (stream === undefined) {
      stream = new Stream(this.#prefix, retention, part)
      this.#streams.set(key, stream)
    }
    return stream
  }

  /** Resolves when the server has the stream. The calls of `append` that wait for the same promise go on in their order. */
  #ready (stream: Stream): Promise<void> {
    if (stream.ready !== undefined) return stream.ready
    const ready = stream.ready = this.#create(stream)
    ready.catch(() => { if (stream.ready === ready) stream.ready = undefined })
    return ready
  }

  // To create a stream that exists changes nothing. An administrator may have changed it, to have more replicas for example.
  async #create (stream: Stream): Promise<void> {
    try {
      await stream.isGone
      const answer = await this.#requests.send(`${API}STREAM.CREATE.${stream.name}`, stream.config)
      const { error } = answerIn(answer)
      if (error === undefined || error.err_code === NAME_IN_USE) return
      if (NOT_ENABLED.includes(error.err_code!)) throw new Error(HOW_TO_ENABLE)
      throw new Error(`the NATS server refuses the stream ${stream.name}: ${error.description}`)
    } catch (error) {
      throw error instanceof NoRespondersError ? new Error(HOW_TO_ENABLE, { cause: error }) : error
    }
  }

  async #append (stream: Stream, topic: string, message: Uint8Array): Promise<string> {
    const { error, seq } = answerIn(await this.#requests.send(stream.logs.of(topic), message))
    if (error !== undefined) throw new Error(`the NATS server does not keep the message: ${error.description}`)
    return String(seq)
  }

  /** Removes the oldest messages of a topic if it has too many bytes, now that it has one message more. */
  #bound (stream: Stream, topic: string, sequence: number, { length }: Uint8Array, retention: Retention): void {
    const subject = stream.logs.of(topic)
    const first = this.#longMessages.add(subject, { sequence, length }, retention)
    if (first !== null) this.#purge(stream, subject, first)
  }

  async #purge (stream: Stream, subject: string, first: number): Promise<void> {
    try {
      const { error } = answerIn(await this.#requests.send(`${API}STREAM.PURGE.${stream.name}`, encode({ filter: subject, seq: first })))
      if (error !== undefined) throw new Error(error.description)
    } catch (error) {
      if (this.#isUp()) process.emitWarning(`the messages of a topic exceed maxBytes, and NATS does not remove them: ${detailsOf(error)}`, { code: 'FST_WS_NATS_PURGE' })
    }
  }

  #isUp (): boolean {
    try {
      this.#listener.check()
      return true
    } catch {
      return false
    }
  }

  /** Asks for a message of a topic up to `newest`. If a replica that answers is behind, the leader is asked. */
  #next (stream: Stream, topic: string, newest: Kept): (sequence: number) => Promise<Kept | null> {
    const subject = stream.logs.of(topic)
    return async (sequence) => {
      if (sequence >= newest.sequence) return sequence === newest.sequence ? newest : null
      const query = { seq: sequence, next_by_subj: subject }
      return await this.#direct(stream, query) ?? await this.#fromLeader(stream, query)
    }
  }

  async #newest (stream: Stream, topic: string): Promise<Kept | null> {
    await this.#ready(stream)
    return await this.#fromLeader(stream, { last_by_subj: stream.logs.of(topic) })
  }

  /**
   * Those of `found` that are kept still. While several messages were asked for, the server may have removed the oldest ones, so that some
   * are missing between those that were found.
   */
  async #kept (stream: Stream, topic: string, found: Kept[]): Promise<Kept[]> {
    const oldest = await this.#fromLeader(stream, { seq: 1, next_by_subj: stream.logs.of(topic) })
    return oldest === null ? [] : found.filter(({ sequence }) => sequence >= oldest.sequence)
  }

  /** Asks the leader of the stream, which has all messages. Only the leader answers for a stream that does not exist. */
  async #fromLeader (stream: Stream, query: object): Promise<Kept | null> {
    const { error, message } = answerIn(await this.#requests.send(`${API}STREAM.MSG.GET.${stream.name}`, encode(query)))
    if (error?.err_code === NO_STREAM) stream.lose()
    if (error?.code === NOT_FOUND) return null
    if (error !== undefined) throw cannotRead(stream, error.description)
    const { seq, data = '' } = message!
    return { position: String(seq), sequence: seq, message: Buffer.from(data, 'base64') }
  }

  /** Asks any replica of the stream, which costs the server half of what it costs to ask the leader. */
  async #direct (stream: Stream, query: object): Promise<Kept | null> {
    const { headers, data } = await this.#requests.send(`${API}DIRECT.GET.${stream.name}`, encode(query))
    if (headers?.code === NOT_FOUND) return null
    const sequence = Number(headers?.get('Nats-Sequence'))
    if (!(sequence > 0)) throw cannotRead(stream, String(headers?.description))
    return { position: String(sequence), sequence, message: data }
  }
}

function cannotRead ({ name }: Stream, reason: string): Error {
  return new Error(`the NATS server cannot read the stream ${name}: ${reason}`)
}

function encode (query: object): Buffer {
  return Buffer.from(JSON.stringify(query))
}

function answerIn ({ data }: Message): Answer {
  return JSON.parse(toBuffer(data).toString())
}
