import { setImmediate as nextTurn } from 'node:timers/promises'
import { Deferred } from '../../base/deferred'
import { detailsOf } from '../../base/show'
import type { Message, NatsConnection } from './connection'

/** The subscription to a subject. */
interface Subscription {
  isConfirmed: boolean
  /** The error with which the server has refused the subscription. */
  refusal?: Error
  readonly client: { unsubscribe (): void }
}

/** The subscriptions of a broker, by their subjects. */
export class Subscriptions {
  readonly #connection: NatsConnection
  readonly #onWithdrawn: (error: Error) => void
  readonly #subscriptions = new Map<string, Subscription>()
  /** The round trips that confirm subscriptions. */
  readonly #confirmations = new Set<Deferred<void>>()
  /** The confirmation whose round trip has not begun. */
  #nextConfirmation?: Deferred<void>

  /** `onWithdrawn` is called when the server refuses a subscription that it has confirmed. */
  constructor (connection: NatsConnection, onWithdrawn: (error: Error) => void) {
    this.#connection = connection
    this.#onWithdrawn = onWithdrawn
  }

  /** Resolves when the server has confirmed that `onMessage` gets the messages of `subject` from now on. Rejects if it refuses. */
  async subscribe (subject: string, onMessage: (message: Message) => void): Promise<void> {
    const subscription = this.#subscriptions.get(subject) ?? this.#subscribe(subject, onMessage)
    if (subscription.isConfirmed) return
    try {
      await this.#confirm()
    } catch (error) {
      this.unsubscribe(subject)
      throw error
    }
    if (subscription.refusal !== undefined) throw subscription.refusal
    subscription.isConfirmed = true
  }

  /** The client delivers no more messages from now on, even before the server has unsubscribed. */
  unsubscribe (subject: string): void {
    this.#subscriptions.get(subject)?.client.unsubscribe()
    this.#subscriptions.delete(subject)
  }

  /** Rejects the calls of `subscribe` that are under way. */
  reject (error: Error): void {
    for (const confirmation of this.#confirmations) confirmation.reject(error)
    this.#confirmations.clear()
    this.#nextConfirmation = undefined
  }

  /** Ends all subscriptions. Rejects the calls that are under way. */
  clear (error: Error): void {
    for (const { client } of this.#subscriptions.values()) client.unsubscribe()
    this.#subscriptions.clear()
    this.reject(error)
  }

  #subscribe (subject: string, onMessage: (message: Message) => void): Subscription {
    const subscription: Subscription = {
      isConfirmed: false,
      client: this.#connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) receive(onMessage, message)
          else this.#refuse(subject, subscription, error)
        }
      })
    }
    this.#subscriptions.set(subject, subscription)
    return subscription
  }

  /** The server has refused a subscription, and the client has dropped it. */
  #refuse (subject: string, subscription: Subscription, error: Error): void {
    subscription.refusal = error
    this.#subscriptions.delete(subject)
    if (subscription.isConfirmed) this.#onWithdrawn(error)
  }

  /** Resolves when the server has processed all earlier commands. The calls of one turn of the event loop share a round trip. */
  #confirm (): Promise<void> {
    if (this.#nextConfirmation === undefined) {
      this.#nextConfirmation = new Deferred()
      this.#confirmations.add(this.#nextConfirmation)
      setImmediate(() => this.#flush())
    }
    return this.#nextConfirmation.promise
  }

  async #flush (): Promise<void> {
    const confirmation = this.#nextConfirmation
    if (confirmation === undefined) return // `reject` has rejected the confirmation
    this.#nextConfirmation = undefined
    try {
      await this.#connection.flush()
      await nextTurn() // the client reports an error later than the reply that follows the error
      confirmation.resolve()
    } catch (error) {
      confirmation.reject(error)
    }
    this.#confirmations.delete(confirmation)
  }
}

function receive (onMessage: (message: Message) => void, message: Message): void {
  try {
    onMessage(message)
  } catch (error) {
    process.emitWarning(detailsOf(error)) // the client would stop reading if the error reached it
  }
}
