'use strict'

/** A room keeps at most MAX_HISTORY messages. A process keeps the histories of at most MAX_ROOMS rooms. */
const MAX_HISTORY = 50
const MAX_ROOMS = 200

/**
 * The people and the histories of the rooms. In a chat of several processes, each process tells the others who is in its
 * rooms and what is said there. When the broker is up again, each process tells everything again. So all processes come to
 * have the same people and histories.
 */
module.exports = class Rooms {
  #processes
  #histories = new Map()
  /** The sessions in each room, in this process. */
  #sessions = new Map()
  /** For each room, the people that the sessions in it were last told of. */
  #told = new Map()
  /** The people in other processes, as told by them: process → room → names. */
  #elsewhere = new Map()

  /** `processes` is null when the chat runs in one process. */
  constructor (websockets, processes) {
    this.#processes = processes
    if (processes === null) return
    processes.on('ask', () => this.#tellAll())
    processes.on('news', (process, news) => this.#learn(process, news))
    processes.on('gone', (process) => this.#learn(process, { people: [], isAll: true }))
    websockets.on('resync', async () => {
      const rooms = [...this.#sessions.keys()]
      processes.tell({ missed: rooms }) // the pages of other processes have missed what was said here
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

  /**
   * Resolves when this process knows every message that was said in any process before the call. A session that has
   * subscribed before the call misses no message between the history and the topic.
   */
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

  /** Keeps a message of this process, and returns it with its time (ms). Returns null if the message is known already. */
  say (room, message) {
    const last = this.history(room).at(-1)?.at ?? 0 // the time may come from the clock of another machine
    const said = { ...message, at: Math.max(Date.now(), last + 1) }
    if (!this.#remember(room, said)) return null
    this.#processes?.tell({ room, said })
    return said
  }

  /** The names in a room, in this process. A name with two open pages counts once. */
  #here (room) {
    return [...new Set([...this.#sessions.get(room) ?? []].map((session) => session.query.name))]
  }

  #changed (room) {
    this.#processes?.tell({ people: [[room, this.#here(room)]] })
    this.#announce(room)
  }

  /**
   * Adds a message to the history. Returns whether the message was new. Beyond MAX_ROOMS, forgets the room that was silent
   * the longest.
   */
  #remember (room, message) {
    const history = this.history(room)
    if (history.some(({ id }) => id === message.id)) return false
    const kept = [...history, message].sort(inOrder).slice(-MAX_HISTORY)
    this.#histories.delete(room)
    this.#histories.set(room, kept)
    if (this.#histories.size > MAX_ROOMS) this.#histories.delete(this.#histories.keys().next().value)
    return kept.includes(message)
  }

  /** Tells the sessions in the room, in this process, who has come and who has gone. */
  #announce (room) {
    const before = this.#told.get(room) ?? []
    const people = this.people(room)
    if (people.length > 0) this.#told.set(room, people)
    else this.#told.delete(room)
    for (const name of missing(people, before)) this.#send(room, { type: 'joined', name, people }, name)
    for (const name of missing(before, people)) this.#send(room, { type: 'left', name, people }, name)
  }

  /** Sends people and history to the sessions in the rooms, in this process, since they may have missed messages. */
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

  /** Updates the people in another process. With `isAll`, the process has no people in rooms that `people` does not list. */
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

/** Compares two messages by time, then by id, so that every process has the same order. */
function inOrder (a, b) {
  return a.at - b.at || (a.id < b.id ? -1 : 1)
}

/** Returns the `names` that are not among `others`. */
function missing (names, others) {
  const known = new Set(others)
  return names.filter((name) => !known.has(name))
}
