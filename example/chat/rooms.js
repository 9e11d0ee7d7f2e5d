'use strict'

const { catchUp, topicOf } = require('./history')

/**
 * The people in the rooms. In a chat of several processes, each process tells the others who is in its rooms. When the broker is up
 * again, each process tells everything again. So all processes come to have the same people.
 */
module.exports = class Rooms {
  #processes
  /** The sessions in each room, in this process. */
  #sessions = new Map()
  /** For each room, the people that the sessions in it were last told of. */
  #told = new Map()
  /** The people in other processes, as told by them: process → room → names. */
  #elsewhere = new Map()

  /** `processes` is null when the chat runs in one process. */
  constructor (websockets, processes) {
    this.#processes = processes
    websockets.on('resync', (outage) => this.#resync(outage))
    if (processes === null) return
    processes.on('ask', () => this.#tellAll())
    processes.on('news', (process, news) => this.#meet(process, news))
    processes.on('gone', (process) => this.#meet(process, { people: [], isAll: true }))
  }

  /**
   * @param {string} room
   * @returns {string[]}
   */
  people (room) {
    const elsewhere = [...this.#elsewhere.values()].flatMap((rooms) => rooms.get(room) ?? [])
    return [...new Set([...this.#here(room), ...elsewhere])]
  }

  /** Resolves when this process has heard who is in the rooms of other processes. */
  async settled () {
    await this.#processes?.settled
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

  /** The names in a room, in this process. A name with two open pages counts once. */
  #here (room) {
    return [...new Set([...this.#sessions.get(room) ?? []].map((session) => session.query.name))]
  }

  #changed (room) {
    this.#processes?.tell({ people: [[room, this.#here(room)]] })
    this.#announce(room)
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

  #send (room, message, except) {
    for (const session of this.#sessions.get(room) ?? []) if (session.query.name !== except) session.send(message)
  }

  /**
   * The broker is up again, and the plugin has brought the topics up to date. The pages of a room that has `missed` messages get the
   * newest ones afresh. All pages are welcomed again, so that they send what the broker has not taken.
   */
  #resync ({ topics, missed }) {
    for (const [room, sessions] of this.#sessions) {
      const topic = topicOf(room)
      if (!topics.includes(topic)) continue
      for (const session of sessions) {
        this.#welcome(room, session, missed.includes(topic)).catch((error) => session.log.info(error)) // the broker is down once more
      }
    }
  }

  async #welcome (room, session, isAfresh) {
    if (isAfresh) await catchUp(session, room)
    await session.send({ type: 'welcome', people: this.people(room) })
  }

  #tellAll () {
    const people = [...this.#sessions.keys()].map((room) => [room, this.#here(room)])
    this.#processes.tell({ people, isAll: true })
  }

  /** Updates the people in another process. With `isAll`, the process has no people in rooms that `people` does not list. */
  #meet (process, { people, isAll }) {
    const rooms = this.#elsewhere.get(process) ?? new Map()
    const changed = new Set([...isAll ? rooms.keys() : [], ...people.map(([room]) => room)])
    for (const room of changed) rooms.delete(room)
    for (const [room, names] of people) if (names.length > 0) rooms.set(room, names)
    if (rooms.size > 0) this.#elsewhere.set(process, rooms)
    else this.#elsewhere.delete(process)
    for (const room of changed) this.#announce(room)
  }
}

/** Returns the `names` that are not among `others`. */
function missing (names, others) {
  const known = new Set(others)
  return names.filter((name) => !known.has(name))
}
