import { connect, type Client } from '../../lib/client/client'
import { inTime } from '../helpers/recorder'

/** In ms: the time between two messages, and the limit of a wait. */
const TICK = 5
const LIMIT = 20_000

/** A message, as its author sees it. */
export interface Said {
  id: string
  room: string
  visit: Visit
  /** The number of the message in its visit, from 0. */
  n: number
  time: number
  /** The server's time of the message, set when the message has come back to its author. */
  at?: number
}

/** A message in which the server sends the state of the room: when it came, and the history in it. */
interface State {
  type: 'welcome' | 'resync'
  time: number
  history: { id: string, at: number }[]
}

/** A connection of one person to one process. */
export class Visit {
  readonly person: Person
  readonly place: Place
  readonly said: Said[] = []
  /** The ids of the received messages, in order. */
  readonly heard: string[] = []
  readonly states: State[] = []
  isOver = false

  constructor (person: Person, place: Place) {
    this.person = person
    this.place = place
  }

  /** The time of the welcome, or Infinity before it. */
  get begin (): number {
    return this.states[0]?.time ?? Infinity
  }

  get resyncs (): State[] {
    return this.states.filter(({ type }) => type === 'resync')
  }
}

/** One life of a process, from its start to its end. */
export interface Place {
  url: string
  isKilled: boolean
}

/** A user of the chat. A person that loses the connection connects again, to another process or to the restarted one. */
export class Person {
  readonly name: string
  readonly room: string
  readonly visits: Visit[] = []
  readonly #choose: (before: Place | null) => Place | Promise<Place>
  #client?: Client

  constructor (name: string, room: string, choose: (before: Place | null) => Place | Promise<Place>) {
    this.name = name
    this.room = room
    this.#choose = choose
  }

  get visit (): Visit {
    return this.visits.at(-1)!
  }

  /** Connects, and connects again after each end, until `signal` aborts. Never rejects. */
  async stay (signal: AbortSignal): Promise<void> {
    let place: Place | null = null
    while (!signal.aborted) {
      place = await this.#choose(place)
      const visit = new Visit(this, place)
      this.visits.push(visit)
      try {
        this.#client = await connect(`${place.url}chat/${this.room}?name=${this.name}`, { valueType: 'json' })
        for (;;) this.#hear(visit, await this.#client.receive())
      } catch {} // the process has died, or this person leaves
      visit.isOver = true
    }
  }

  /** Sends a message. Returns null, and sends nothing, if the person is not connected and welcomed. */
  say (): Said | null {
    const { visit } = this
    if (visit === undefined || visit.isOver || visit.begin === Infinity) return null
    const n = visit.said.length
    const said = { id: `${this.name}-${this.visits.length}-${n}`, room: this.room, visit, n, time: performance.now() }
    visit.said.push(said)
    this.#client!.send({ type: 'message', id: said.id, text: 'hello' }).catch(() => {}) // fails if the connection has just ended
    return said
  }

  leave (): void {
    this.#client?.terminate()
  }

  #hear (visit: Visit, message: any): void {
    if (message.type === 'message') {
      visit.heard.push(message.id)
      const own = message.name === this.name && visit.said.find(({ id }) => id === message.id)
      if (own) own.at = message.at
    } else if (message.type === 'welcome' || message.type === 'resync') {
      visit.states.push({ type: message.type, time: performance.now(), history: message.history })
    }
  }
}

/** All users of the chat. From `live` on, one person after another sends a message. */
export class Town {
  readonly people: Person[]
  readonly said = new Map<string, Said>()
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

  say (person: Person): Said | null {
    const said = person.say()
    if (said !== null) this.said.set(said.id, said)
    return said
  }

  /** Resolves when `condition` holds; checks it every TICK. Rejects after LIMIT. */
  async until (what: string, condition: () => boolean): Promise<void> {
    await inTime(new Promise<void>((resolve) => this.#waiting.add({ condition, resolve })), () => `not in time: ${what}`, LIMIT)
  }

  /** Resolves when all `people` are connected and have got back a message that they sent after this call. */
  async talked (what: string, people = this.people): Promise<void> {
    const begin = performance.now()
    await this.until(what, () => people.every(({ visit }) => !visit.isOver && visit.said.some(({ time, at }) => time > begin && at !== undefined)))
  }

  /** One person of each room in each process. */
  get speakers (): Person[] {
    return [...new Map(this.people.map((person) => [`${person.room} ${person.visit.place.url}`, person])).values()]
  }

  #tick (): void {
    if (!this.#isSilent) this.say(this.people[this.#turn++ % this.people.length])
    for (const waiting of this.#waiting) {
      if (!waiting.condition()) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }
}
