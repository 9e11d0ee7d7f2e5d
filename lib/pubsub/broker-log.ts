import { brokerFailure } from './broker-failure'
import { createOrigin, markOf, sealKept, unsealKept } from './envelope'
import { Entry, type Draft } from './entry'
import { positionOf, readPosition, type Position } from './position'
import { START, type TopicLog } from './topic-log'
import type { BrokerEntry, BrokerHistory, Retention } from '../../types/broker'

/** The logs of topics at a broker. */
export class BrokerLog implements TopicLog {
  readonly #history: BrokerHistory
  readonly #origin = createOrigin()
  /** The number of messages that this app has appended. */
  #count = 0

  constructor (history: BrokerHistory) {
    this.#history = history
  }

  async append (topic: string, draft: Draft, retention: Retention): Promise<string> {
    const envelope = sealKept(draft, this.#origin, this.#count++)
    const mark = markOf(envelope)
    try {
      return positionOf({ place: await this.#history.append(topic, envelope, retention), mark })
    } catch (error) {
      throw brokerFailure('the broker has not confirmed the message, which may have been kept', error)
    }
  }

  read (topic: string, place: string, count: number, retention: Retention): Promise<Entry[]> {
    return this.#read(() => this.#history.read(topic, place, count, retention))
  }

  readNewest (topic: string, count: number, retention: Retention): Promise<Entry[]> {
    return this.#read(() => this.#history.readNewest(topic, count, retention))
  }

  // Two apps may find the log empty at the same time. Then the log gets two entries without content.
  async end (topic: string, retention: Retention): Promise<Position> {
    const [newest] = await this.readNewest(topic, 1, retention)
    return newest ?? readPosition(await this.append(topic, START, retention))!
  }

  compare (a: string, b: string): number {
    return this.#history.compare(a, b)
  }

  /** The entry in a message of the broker; null if the message is none of this version of the package. */
  entry (place: string, message: Uint8Array): Entry | null {
    const letter = unsealKept(message, this.#origin)
    return letter === null ? null : new Entry({ place, mark: letter.mark }, letter)
  }

  // A foreign message keeps its place, so that a page of entries is as long as the broker's.
  async #read (read: () => Promise<BrokerEntry[]>): Promise<Entry[]> {
    try {
      return (await read()).map(({ position, message }) => this.entry(position, message) ?? new Entry({ place: position, mark: '' }, START))
    } catch (error) {
      throw brokerFailure('the broker cannot read the history of the topic', error)
    }
  }
}
