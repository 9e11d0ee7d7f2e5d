import type { Retention } from '../../types/broker'
import type { Draft, Entry } from './entry'
import type { Position } from './position'

/** The message that gives an empty log a position. */
export const START: Draft = { kind: 'start', payload: '', sender: 0 }

/** Gets the messages of the topics that this process has subscribed to. */
export interface LogListener {
  onEntry (topic: string, entry: Entry): void
}

/** The logs of all topics with history: in this process, or at a broker. Each function rejects if the log is out of reach. */
export interface TopicLog {
  /** Keeps a message, and delivers it to the subscribers of `topic`. Resolves with its entry's position. */
  append (topic: string, draft: Draft, retention: Retention): Promise<string>
  /** Reads at most `count` entries, the oldest first, from `place` on, which is included. */
  read (topic: string, place: string, count: number, retention: Retention): Promise<Entry[]>
  /** Reads the newest `count` entries, the oldest of them first. */
  readNewest (topic: string, count: number, retention: Retention): Promise<Entry[]>
  /** Returns the position of the newest entry. Gives an empty log an entry without content. */
  end (topic: string, retention: Retention): Promise<Position>
  /** Compares two places of a topic. */
  compare (a: string, b: string): number
}
