import type { Person, Said, Town, Visit } from './town'

/** In ms: a message sent in this time before a visit began has to be in the history that the visit got. */
const BEFORE = 2_000

/** What happened to all messages. A message counts once for each person who should get it. */
export interface Account {
  said: number
  heard: number
  duplicates: number
  outOfOrder: number
  /** Missed in the outage of the server, with a resync that reports the outage. */
  resynced: number
  /** The part of `resynced` that the history with the resync had no room for. */
  beyondHistory: number
  /** Missed without any report. */
  missed: number
  /** Accepted by a process that was killed before any other process had the message. */
  lostWithProcess: number
}

/** Counts the messages of all people. Messages sent after `outage`, a time, may have been lost with the server. */
export function account ({ people, said }: Town, outage: number): Account {
  const result = { said: said.size, heard: 0, duplicates: 0, outOfOrder: 0, resynced: 0, beyondHistory: 0, missed: 0, lostWithProcess: 0 }
  const rooms = new Set(people.map(({ room }) => room))
  for (const room of rooms) accountRoom(people.filter((person) => person.room === room), said, outage, result)
  return result
}

function accountRoom (people: Person[], all: Map<string, Said>, outage: number, result: Account): void {
  const visits = people.flatMap(({ visits }) => visits)
  const heard = new Map(visits.map((visit) => [visit, listen(visit, all, result)]))
  for (const author of visits) {
    const last = author.place.isKilled ? lastThatLeft(author, heard) : author.said.length - 1
    result.lostWithProcess += author.said.filter(({ n, at }) => n > last && at !== undefined).length
    for (const [visit, messages] of heard) {
      // Nothing is known of messages that were on their way to a person whose process was killed.
      const until = visit.place.isKilled ? lastOf(author, messages) : last
      for (const message of author.said) {
        if (message.n <= until && message.time > visit.begin - BEFORE && !messages.has(message)) lose(message, visit, outage, result)
      }
    }
  }
}

/** The messages that a visit has heard. Counts duplicates, and messages of one author's visit whose numbers do not rise. */
function listen (visit: Visit, all: Map<string, Said>, result: Account): Set<Said> {
  const heard = new Set<Said>()
  const last = new Map<Visit, number>()
  for (const id of visit.heard) {
    const message = all.get(id)!
    result.heard++
    if (heard.has(message)) result.duplicates++
    else if (message.n < (last.get(message.visit) ?? -1)) result.outOfOrder++
    else last.set(message.visit, message.n)
    heard.add(message)
  }
  return heard
}

/** The number of the last message of `author` that a person in another process has heard. */
function lastThatLeft (author: Visit, heard: Map<Visit, Set<Said>>): number {
  let last = -1
  for (const [{ place }, messages] of heard) if (place !== author.place) last = Math.max(last, lastOf(author, messages))
  return last
}

function lastOf (author: Visit, messages: Set<Said>): number {
  return author.said.findLast((message) => messages.has(message))?.n ?? -1
}

/** Counts a message that a visit has not heard. An earlier message has to be in the history at the begin, a lost one in a resync. */
function lose (message: Said, visit: Visit, outage: number, result: Account): void {
  const isBefore = message.time <= visit.begin
  const states = visit.states.filter(({ type, time }) => type === 'resync' ? message.time > outage && time > message.time : isBefore)
  const isFound = states.some(({ history }) => history.some(({ id }) => id === message.id))
  const isOld = states.some(({ history }) => history.length === 50 && history[0].at > message.at!)
  if (isBefore && (isFound || isOld || message.visit.place.isKilled)) return
  if (!isFound && !isOld) result.missed++
  else result.resynced++
  if (isOld && !isFound) result.beyondHistory++
}
