import type { Broker, BrokerHistory, BrokerListener } from '../../types/broker'

/** A broker whose connection is cut and mended by the test, while its server goes on for others. */
export class CutBroker implements Broker {
  readonly #broker: Broker
  #listener!: BrokerListener
  #isCut = false

  constructor (broker: Broker) {
    this.#broker = broker
  }

  cut (): void {
    this.#isCut = true
    this.#listener.onDown(new Error('the connection is cut'))
  }

  mend (): void {
    this.#isCut = false
    this.#listener.onUp()
  }

  start (listener: BrokerListener): Promise<void> {
    this.#listener = listener
    return this.#broker.start({
      onUp: () => this.#unlessCut(() => listener.onUp()),
      onDown: (reason) => this.#unlessCut(() => listener.onDown(reason)),
      onMessage: (topic, message) => this.#unlessCut(() => listener.onMessage(topic, message)),
      onEntry: (topic, position, message) => this.#unlessCut(() => listener.onEntry(topic, position, message))
    })
  }

  subscribe (topic: string): Promise<void> { return this.#call(() => this.#broker.subscribe(topic)) }
  unsubscribe (topic: string): Promise<void> { return this.#call(() => this.#broker.unsubscribe(topic)) }
  publish (topic: string, message: Uint8Array): Promise<void> { return this.#call(() => this.#broker.publish(topic, message)) }
  close (): Promise<void> { return this.#broker.close() }

  get history (): BrokerHistory {
    const history = this.#broker.history!
    return {
      subscribe: (...words) => this.#call(() => history.subscribe(...words)),
      unsubscribe: (...words) => this.#call(() => history.unsubscribe(...words)),
      append: (...words) => this.#call(() => history.append(...words)),
      read: (...words) => this.#call(() => history.read(...words)),
      readNewest: (...words) => this.#call(() => history.readNewest(...words)),
      compare: (a, b) => history.compare(a, b)
    }
  }

  #unlessCut (tell: () => void): void {
    if (!this.#isCut) tell()
  }

  async #call<T> (call: () => Promise<T>): Promise<T> {
    if (this.#isCut) throw new Error('the connection is cut')
    return await call()
  }
}
