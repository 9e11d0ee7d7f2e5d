import { setTimeout } from 'node:timers/promises'
import { connect, type Client } from '../../lib/client/client'
import { inTime } from '../helpers/recorder'

/** In ms: the time between two messages, the limit of a wait, and the time between two attempts to connect. */
const TICK = 5
const LIMIT = 20_000
const RETRY = 50

/** A message, as its author sees it. */
export interface Said {
  id: string
  room: string
  time: number
  /** Whether the message has come back to its author. */
  isBack: boolean
}

/** One life of a process, from its start to its end. */
export interface Place {
  url: string
  isKilled: boolean
}

/**
 * A user of the chat, as a page is one: a person that loses the connection connects again, to another process or to the restarted one,
 * with the last position. After each welcome, the person sends again what has not come back.
 */
export class Person {
  readonly name: string
  readonly room: string
  readonly said: Said[] = []
  /** The positions of the messages, in the order in which they came. Each null is an 'afresh'. */
  readonly heard: (string | null)[] = []
  place: Place | null = null
  /** The number of connections that were welcomed, and the time of the last welcome. */
  connections = 0
  welcomed = -Infinity
  #position: string | undefined
  #isWelcome = false
  readonly #choose: (before: Place | null) => Place | Promise<Place>
  #client?: Client

  constructor (name: string, room: string, choose: (before: Place | null) => Place | Promise<Place>) {
    this.name = name
    this.room = room
    this.#choose = choose
  }

  get isWelcome (): boolean {
    return this.#isWelcome
  }

  /** Connects, and connects again after each end, until `signal` aborts. Never rejects. */
  async stay (signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const place = this.place = await this.#choose(this.place)
      const query = new URLSearchParams({ name: this.name, ...this.#position === undefined ? {} : { after: this.#position } })
      try {
        this.#client = await connect(`${place.url}chat/${this.room}?${query}`, { valueType: 'json' })
        for (;;) this.#hear(await this.#client.receive())
      } catch {} // the process has died, or this person leaves
      this.#isWelcome = false
      await setTimeout(RETRY)
    }
  }

  /** Sends a message. Returns null, and sends nothing, if the person is not welcome. */
  say (): Said | null {
    if (!this.#isWelcome) return null
    const said = { id: `${this.name}-${this.said.length}`, room: this.room, time: performance.now(), isBack: false }
    this.said.push(said)
    this.#send(said)
    return said
  }

  leave (): void {
    this.#client?.terminate()
  }

  #send ({ id }: Said): void {
    this.#client!.send({ type: 'message', id, text: 'hello' }).catch(() => {}) // fails if the connection has just ended
  }

  #hear ({ type, topic, position, data }: any): void {
    if (topic !== undefined) this.#position = position
    if (data !== undefined) this.#note(data.id)
    if (type === 'afresh') this.heard.push(null)
    if (type === 'welcome') this.#settle()
  }

  #note (id: string): void {
    this.heard.push(this.#position!)
    const own = this.said.findLast((said) => said.id === id)
    if (own !== undefined) own.isBack = true
  }

  #settle (): void {
    if (!this.#isWelcome) this.connections++
    this.#isWelcome = true
    this.welcomed = performance.now()
    for (const said of this.said) if (!said.isBack) this.#send(said)
  }
}

/** All users of the chat. From `live` on, one person after another sends a message. */
export class Town {
  readonly people: Person[]
  readonly #waiting = new Set<{ condition: () => boolean, resolve: () => void }>()
  readonly #end = new AbortController()
  #timer?: NodeJS.Timeout
  #turn = 0
  #isSilent = false

  constructor (people: Person[]) {
    this.people = people
  }

  live (): void {
    for (const person of this.people) person.stay(this.#end.signal)
    this.#timer = setInterval(() => this.#tick(), TICK)
  }

  hush (): void {
    this.#isSilent = true
  }

  end (): void {
    clearInterval(this.#timer)
    this.#end.abort()
    for (const person of this.people) person.leave()
  }

  /** Resolves when `condition` holds; checks it every TICK. Rejects after LIMIT. */
  async until (what: string, condition: () => boolean): Promise<void> {
    await inTime(new Promise<void>((resolve) => this.#waiting.add({ condition, resolve })), () => `not in time: ${what}`, LIMIT)
  }

  /** Resolves when all people are connected and have got back a message that they sent after this call. */
  async talked (what: string): Promise<void> {
    const begin = performance.now()
    await this.until(what, () => this.people.every(({ isWelcome, said }) => isWelcome && said.some(({ time, isBack }) => time > begin && isBack)))
  }

  #tick (): void {
    if (!this.#isSilent) this.people[this.#turn++ % this.people.length].say()
    for (const waiting of this.#waiting) {
      if (!waiting.condition()) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }
}
