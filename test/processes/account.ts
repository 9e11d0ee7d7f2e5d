import type { Person } from './town'

/** What has become of the messages. A message counts once for each person who should get it. */
export interface Account {
  heard: number
  /** The connections after the first ones, and those of them that began afresh. */
  returns: number
  afresh: number
  lost: number
  duplicates: number
  outOfOrder: number
  /** Heard, but not in the order of the room. */
  foreign: number
}

/** Counts the messages that the people of all rooms have heard. `orders` has the positions of all messages of a room, in order. */
export function account (people: Person[], orders: Map<string, string[]>): Account {
  const result = { heard: 0, returns: 0, afresh: 0, lost: 0, duplicates: 0, outOfOrder: 0, foreign: 0 }
  for (const person of people) {
    result.returns += person.connections - 1
    result.afresh += person.heard.filter((position) => position === null).length - 1
    accountPerson(person, new Map(orders.get(person.room)!.map((position, place) => [position, place])), result)
  }
  return result
}

/** Between one 'afresh' and the next, a person hears each message of the room once, in order. In the end, the person has heard the last. */
function accountPerson ({ heard }: Person, places: Map<string, number>, result: Account): void {
  let last: number | null = null
  for (const position of heard) {
    if (position === null) {
      last = null
      continue
    }
    const place = places.get(position)
    result.heard++
    if (place === undefined) {
      result.foreign++
      continue
    }
    if (last === null || place === last + 1) last = place
    else if (place === last) result.duplicates++
    else if (place < last) result.outOfOrder++
    else {
      result.lost += place - last - 1
      last = place
    }
  }
  result.lost += places.size - 1 - (last ?? -1)
}
