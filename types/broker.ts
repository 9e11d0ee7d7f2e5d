/**
 * The app's side of a broker: the broker calls these functions. None of them throws. The broker may call them at any time
 * between `start` and the end of `close`.
 */
export interface BrokerListener {
  /**
   * The broker calls `onMessage` for each message that was published to `topic`. Messages of one publisher to one topic come in
   * the order in which they were published. A message may be one of this app's own; the app recognizes and ignores its own
   * messages. The broker may reuse the bytes after the call.
   */
  onMessage (topic: string, message: Uint8Array): void
  /**
   * A broker with a `history` calls `onEntry` for each message that was appended to `topic`, with its position, in the order of the
   * positions. The messages of this app are among them: the app delivers them when they come back. The broker may reuse the bytes
   * after the call.
   */
  onEntry (topic: string, position: string, message: Uint8Array): void
  /**
   * The broker calls `onUp` when publishing and subscribing are both possible, for the first time or again. Earlier
   * subscriptions no longer count: the app subscribes to every topic again.
   */
  onUp (): void
  /**
   * The broker calls `onDown` when publishing or subscribing is no longer possible: from then on messages may be lost. The
   * broker calls `onDown` once per outage, before or in the same turn as pending operations reject. `onDown` may also report
   * why the first attempt to connect has failed.
   */
  onDown (reason: Error): void
}

/** How much of a topic's messages is kept. */
export interface Retention {
  /** The number of messages. The broker may keep somewhat more. */
  readonly size: number
  /** Milliseconds. A message is kept so long at least, unless `size` or `maxBytes` is exceeded. */
  readonly ttl: number
  /** Bytes of all kept messages of the topic. The broker may keep up to about twice as many. */
  readonly maxBytes: number
}

/** A kept message. */
export interface BrokerEntry {
  readonly position: string
  readonly message: Uint8Array
}

/**
 * The part of a broker that keeps messages. A topic with history uses the functions of this part instead of those of the broker,
 * under the same rules. `retention` is the same for all calls that concern a topic, in all apps.
 *
 * A position is the place of a message among those of its topic: 1 to 40 printable ASCII characters. The positions of a topic only
 * grow. After the messages of a topic were lost, the broker may give positions anew: the app recognizes its own messages by their
 * content, and asks for the position that it has first, so that the loss shows.
 */
export interface BrokerHistory {
  /** Like `Broker.subscribe`: resolves when `onEntry` gets all messages that are appended to `topic` from now on. */
  subscribe (topic: string, retention: Retention): Promise<void>
  /** Like `Broker.unsubscribe`. */
  unsubscribe (topic: string, retention: Retention): Promise<void>
  /** Keeps a message and sends it to all subscribers of `topic`, as one step. Resolves with its position. Rejects like `publish`. */
  append (topic: string, message: Uint8Array, retention: Retention): Promise<string>
  /**
   * Reads at most `count` kept messages, the oldest first, from `position` on, which is included. `position` may be any string that
   * a client has sent. A message that is kept no longer is left out, so that the first message tells whether `position` is kept.
   */
  read (topic: string, position: string, count: number, retention: Retention): Promise<BrokerEntry[]>
  /** Reads the newest `count` kept messages, the oldest of them first. */
  readNewest (topic: string, count: number, retention: Retention): Promise<BrokerEntry[]>
  /** Compares two positions of a topic: below 0 if `a` comes before `b`, 0 if they are the same, above 0 if `a` comes after `b`. */
  compare (a: string, b: string): number
}

/**
 * A broker carries messages between the processes that share the topics, at most once. A message is bytes whose meaning the
 * broker need not know. One broker object serves one app. docs/brokers.md tells how to write a broker for any engine that can
 * publish and subscribe.
 */
export interface Broker {
  /**
   * Begins to connect. The broker keeps trying by itself until `close`. Resolves when `onUp` has been called or the first
   * attempt has failed, whichever is first: an app starts without its broker. Rejects for an error that no retry can mend,
   * such as a wrong option. Before `start`, the functions below reject.
   */
  start (listener: BrokerListener): Promise<void>
  /**
   * Resolves when the server has confirmed that this process gets the messages of `topic` from now on, or at once if it gets
   * them already. Rejects if the server refuses or the connection goes down first.
   */
  subscribe (topic: string): Promise<void>
  /** Resolves when no more messages of `topic` come, or at once if none come already. Rejects like `subscribe`. */
  unsubscribe (topic: string): Promise<void>
  /**
   * Resolves when the server, or the connection to it, has accepted the message, not when a subscriber has received it. Rejects
   * if the connection is down or goes down first: the broker keeps no message to send it later. The caller does not change the
   * bytes.
   */
  publish (topic: string, message: Uint8Array): Promise<void>
  /** The part that keeps messages, for the option `history` of the plugin. A broker may leave it out. */
  readonly history?: BrokerHistory
  /**
   * Closes everything that the broker has opened. Resolves soon, whether the server answers or not, also before `start` and when
   * called again. Pending operations reject.
   */
  close (): Promise<void>
}
