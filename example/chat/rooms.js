'use strict'

/** How many messages a room keeps, and how many rooms are kept. */
const MAX_HISTORY = 50
const MAX_ROOMS = 200

/**
 * Who is in the rooms, and what was said there. With other processes: each tells them who is in its rooms and what was
 * said there, and all of it again when the broker is up again, so that all come to know the same.
 */
module.exports = class Rooms {
  #processes
  #histories = new Map()
  /** The sessions in each room, in this process. */
  #sessions = new Map()
  /** The people of each room, as those who are in it have been told. */
  #told = new Map()
  /** What other processes have told: process → room → names. */
  #elsewhere = new Map()

  /** `processes` is null where there is but this one. */
  constructor (websockets, processes) {
    this.#processes = processes
    if (processes === null) return // there is nobody else
    processes.on('ask', () => this.#tellAll())
    processes.on('news', (process, news) => this.#learn(process, news))
    processes.on('gone', (process) => this.#learn(process, { people: [], isAll: true }))
    websockets.on('resync', async () => {
      const rooms = [...this.#sessions.keys()]
      processes.tell({ missed: rooms }) // what was said here meanwhile, the others have only been told
      await processes.caughtUp()
      this.#resync(rooms)
    })
  }

  people (room) {
    const elsewhere = [...this.#elsewhere.values()].flatMap((rooms) => rooms.get(room) ?? [])
    return [...new Set([...this.#here(room), ...elsewhere])]
  }

  history (room) {
    return this.#histories.get(room) ?? []
  }

  /** Resolves when all is known that was said anywhere until now. Who has subscribed before misses nothing in between. */
  async caughtUp () {
    await this.#processes?.caughtUp()
  }

  enter (room, session) {
    this.#sessions.set(room, (this.#sessions.get(room) ?? new Set()).add(session))
    this.#changed(room)
  }

  leave (room, session) {
    const sessions = this.#sessions.get(room)
    sessions.delete(session)
    if (sessions.size === 0) this.#sessions.delete(room)
    this.#changed(room)
  }

  /** Keeps what is said here, and returns it with its time: null if it is known already. */
  say (room, message) {
    const last = this.history(room).at(-1)?.at ?? 0 // by the clock of another machine, maybe
    const said = { ...message, at: Math.max(Date.now(), last + 1) }
    if (!this.#remember(room, said)) return null
    this.#processes?.tell({ room, said })
    return said
  }

  /** One name with two pages open is one person. */
  #here (room) {
    return [...new Set([...this.#sessions.get(room) ?? []].map((session) => session.query.name))]
  }

  #changed (room) {
    this.#processes?.tell({ people: [[room, this.#here(room)]] })
    this.#announce(room)
  }

  /** Forgets the room that has been silent for longest when there are too many. Tells whether the message was new. */
  #remember (room, message) {
    const history = this.history(room)
    if (history.some(({ id }) => id === message.id)) return false
    const kept = [...history, message].sort(inOrder).slice(-MAX_HISTORY)
    this.#histories.delete(room)
    this.#histories.set(room, kept)
    if (this.#histories.size > MAX_ROOMS) this.#histories.delete(this.#histories.keys().next().value)
    return kept.includes(message)
  }

  /** Tells those in the room, in this process, who has come and who has gone. */
  #announce (room) {
    const before = this.#told.get(room) ?? []
    const people = this.people(room)
    if (people.length > 0) this.#told.set(room, people)
    else this.#told.delete(room)
    for (const name of missing(people, before)) this.#send(room, { type: 'joined', name, people }, name)
    for (const name of missing(before, people)) this.#send(room, { type: 'left', name, people }, name)
  }

  /** Those in the rooms, in this process, may have missed what is known here. */
  #resync (rooms) {
    for (const room of rooms) this.#send(room, { type: 'resync', people: this.people(room), history: this.history(room) })
  }

  #send (room, message, except) {
    for (const session of this.#sessions.get(room) ?? []) if (session.query.name !== except) session.send(message)
  }

  #tellAll () {
    const people = [...this.#sessions.keys()].map((room) => [room, this.#here(room)])
    this.#processes.tell({ people, isAll: true })
    for (const [room, history] of this.#histories) this.#processes.tell({ room, history })
  }

  #learn (process, { room, said, history, people, isAll, missed }) {
    if (said) this.#remember(room, said)
    if (history?.map((message) => this.#remember(room, message)).includes(true)) this.#resync([room])
    if (missed) this.#resync(missed)
    if (people) this.#meet(process, people, isAll)
  }

  /** `isAll`: in rooms that are not in `people` there is nobody. */
  #meet (process, people, isAll) {
    const rooms = this.#elsewhere.get(process) ?? new Map()
    const changed = new Set([...isAll ? rooms.keys() : [], ...people.map(([room]) => room)])
    for (const room of changed) rooms.delete(room)
    for (const [room, names] of people) if (names.length > 0) rooms.set(room, names)
    if (rooms.size > 0) this.#elsewhere.set(process, rooms)
    else this.#elsewhere.delete(process)
    for (const room of changed) this.#announce(room)
  }
}

/** The same order in every process. */
function inOrder (a, b) {
  return a.at - b.at || (a.id < b.id ? -1 : 1)
}

/** Those of `names` that are not among `others`. */
function missing (names, others) {
  const known = new Set(others)
  return names.filter((name) => !known.has(name))
}
