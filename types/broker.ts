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
  /**
   * Closes everything that the broker has opened. Resolves soon, whether the server answers or not, also before `start` and when
   * called again. Pending operations reject.
   */
  close (): Promise<void>
}
