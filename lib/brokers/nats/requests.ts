import { randomBytes } from 'node:crypto'
import { Deferred } from '../../base/deferred'
import { Entry, timers } from '../../base/timers'
import { checkLength, type Internals, type Message } from './connection'

/** Milliseconds. A request without an answer fails after this time. The server answers within it, or the broker goes down. */
const MAX_WAIT = 5_000

const NO_RESPONDERS = 503

/** Nobody listens on the subject of a request: what it asks for does not exist, or is not available now. */
export class NoRespondersError extends Error {}

class Request extends Deferred<Message> {
  constructor (readonly subject: string, readonly due: number) {
    super()
  }
}

/**
 * Sends requests, and takes their answers from one inbox. The requests of the client itself are not used: they stay until their
 * time is over when the connection is lost, and each of them has a timer and a stack trace.
 */
export class Requests extends Entry {
  readonly #connection: Internals
  readonly #check: () => void
  /** The requests that are under way, by their tokens, the oldest first. */
  readonly #requests = new Map<string, Request>()
  #inbox?: { prefix: string, client: { unsubscribe (): void } }
  #count = 0

  /** `check` throws while the broker is not up. */
  constructor (connection: Internals, check: () => void) {
    super()
    this.#connection = connection
    this.#check = check
  }

  /**
   * Sends a request. Resolves with the answer. Rejects with `NoRespondersError` if nobody listens, and with the error of the server if
   * it refuses the request. Throws while the broker is not up, and if the payload is too long.
   */
  send (subject: string, payload: Uint8Array): Promise<Message> {
    this.#check()
    checkLength(this.#connection, payload)
    const token = String(++this.#count)
    this.#connection.publish(subject, payload, { reply: this.#prefix + token })
    const request = new Request(subject, timers.now + MAX_WAIT)
    this.#requests.set(token, request)
    if (this.place === -1) timers.add(this, request.due)
    return request.promise
  }

  /** The server has refused to take what was sent to `subject`. */
  refuse (subject: string, error: Error): void {
    for (const [token, request] of this.#requests) {
      if (request.subject === subject) this.#end(token, request).reject(error)
    }
  }

  /** Rejects the requests that are under way. The next request has a new inbox. */
  clear (error: Error): void {
    timers.remove(this)
    this.#inbox?.client.unsubscribe()
    this.#inbox = undefined
    for (const request of this.#requests.values()) request.reject(error)
    this.#requests.clear()
  }

  override look (now: number): void {
    for (const [token, request] of this.#requests) {
      if (request.due >= now) return timers.add(this, request.due)
      this.#end(token, request).reject(new Error(`NATS has not answered the request to ${request.subject} for ${MAX_WAIT / 1000} s: whether the request has been carried out is not known`))
    }
  }

  get #prefix (): string {
    this.#inbox ??= this.#open()
    return this.#inbox.prefix
  }

  #open (): { prefix: string, client: { unsubscribe (): void } } {
    const prefix = `${this.#connection.options?.inboxPrefix ?? '_INBOX'}.${randomBytes(16).toString('hex')}.`
    const client = this.#connection.subscribe(`${prefix}*`, {
      callback: (error, message) => {
        if (error !== null) this.clear(error) // the server has refused the subscription
        else this.#onAnswer(message.subject.slice(prefix.length), message)
      }
    })
    return { prefix, client }
  }

  #onAnswer (token: string, message: Message): void {
    const request = this.#requests.get(token)
    if (request === undefined) return // the answer is late
    this.#end(token, request)
    if (message.headers?.code === NO_RESPONDERS) request.reject(new NoRespondersError(`no NATS server answers requests to ${request.subject}`))
    else request.resolve(message)
  }

  #end (token: string, request: Request): Request {
    this.#requests.delete(token)
    return request
  }
}
