/**
 * What a broker tells the app that it was given to. None of these functions throws; they may be called at any time between
 * `start` and the end of `close`.
 */
export interface BrokerListener {
  /**
   * A message has come that was published to `topic`: in the order in which each publisher has published to that topic. It may be
   * one of this app's own, which the app knows and leaves out. The bytes need to last only as long as the call.
   */
  onMessage (topic: string, message: Uint8Array): void
  /**
   * Publishing and subscribing are both possible, for the first time or again. What was subscribed to before counts no more: the
   * app subscribes to every topic again.
   */
  onUp (): void
  /**
   * One of the two is not possible any more: messages may be lost from now on. Called once for each time, before what is under way
   * rejects or in the same turn. May also tell why the first attempt has failed.
   */
  onDown (reason: Error): void
}

/**
 * Carries messages from this process to others that share the topics: at most once, as bytes of which it need know nothing.
 * It is used by one app. Write one for any engine that can publish and subscribe: docs/brokers.md.
 */
export interface Broker {
  /**
   * Begins to connect, and goes on trying, by itself, until `close`. Resolves when `onUp` has been called or the first attempt
   * has failed, whichever is first: an app starts without its broker. Rejects for what will never work, such as options that
   * cannot be. Before it is called, the functions below reject.
   */
  start (listener: BrokerListener): Promise<void>
  /**
   * Resolves when the server has confirmed that messages for `topic` come here from now on; at once where that is so already.
   * Rejects when it cannot be had, and when the connection goes down first.
   */
  subscribe (topic: string): Promise<void>
  /** Resolves when messages for `topic` come no more; at once where none do. Rejects as `subscribe` does. */
  unsubscribe (topic: string): Promise<void>
  /**
   * Resolves when the server, or the connection to it, has accepted the message: not when anybody has received it. Rejects when
   * it is down or goes down first: nothing is kept to be sent later. The bytes stay as they are.
   */
  publish (topic: string, message: Uint8Array): Promise<void>
  /**
   * Lets go of all that it has opened. Resolves soon, whether the server answers or not; again when called again, or before
   * `start`. What is under way rejects.
   */
  close (): Promise<void>
}
