import type { Client } from '../../lib/client/client'
import type { FastifyInstance } from 'fastify'

/** A message of a person, as the chat example has it. */
export interface Said {
  id: string
  name: string
  text: string
  at: number
}

/** A user of the chat example without a page. */
export class Visitor {
  readonly client: Client
  /** What was said in the room, as the page would show it. */
  said: Said[] = []
  /** The people, as the last welcome has told them. */
  people: string[] = []
  /** The last position. */
  position: string | undefined
  /** The number of times that the page would have forgotten what it shows. */
  afresh = 0

  constructor (client: Client) {
    this.client = client
  }

  /** Joins a room, or comes back to it with the position `after`. Resolves when the visitor has been welcomed. */
  static async join (app: FastifyInstance, room: string, name: string, after?: string): Promise<Visitor> {
    const query = after === undefined ? { name } : { name, after }
    const options = { query, valueType: 'json', receiveTimeout: 10_000 } as const
    const visitor = new Visitor(await app.injectWebSocket(`/chat/${encodeURIComponent(room)}`, options) as unknown as Client)
    await visitor.next('welcome')
    return visitor
  }

  /** Resolves with the next message: what was said, or another message that has a type. */
  async receive (): Promise<any> {
    for (;;) {
      const message = await this.client.receive()
      if (message.topic === undefined) {
        if (message.type === 'afresh') this.#forget()
        else return this.#note(message)
      } else {
        this.position = message.position
        if (message.data !== undefined) return this.#hear(message.data)
      }
    }
  }

  /** Resolves with the next message of a type. What was said has none. */
  async next (type: string | undefined): Promise<any> {
    for (;;) {
      const message = await this.receive()
      if (message.type === type) return message
    }
  }

  /** Resolves when the visitor has heard `text`. */
  async hear (text: string): Promise<void> {
    while (!this.texts.includes(text)) await this.receive()
  }

  get texts (): string[] {
    return this.said.map(({ text }) => text)
  }

  async send (message: object): Promise<void> {
    await this.client.send(message)
  }

  /** Sends a message. Resolves with the next one that the visitor receives. */
  async pair (message: object): Promise<any> {
    await this.send(message)
    return await this.receive()
  }

  async close (): Promise<void> {
    await this.client.close()
  }

  #forget (): void {
    this.said = []
    this.afresh++
  }

  #hear (said: Said): Said {
    this.said.push(said)
    return said
  }

  #note (message: any): any {
    if (message.type === 'welcome') this.people = message.people
    return message
  }
}
