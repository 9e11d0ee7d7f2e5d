import { toBuffer } from '../base/to-buffer'
import { PreparedMessage } from '../protocol/prepared-message'
import { positionOf, type Position } from './position'
import type { Payload } from '../codec/encode'
import type { MessageKind } from '../codec/message-kind'

/** What an entry is. A `start` has no content: it gives an empty log a position. */
export type Kind = MessageKind | 'start'

/** A message before it has a position. */
export interface Draft {
  readonly kind: Kind
  /** A text or JSON may be a string or its UTF-8. */
  readonly payload: Payload
  /** The number of the publisher's subscription to the topic in this app; 0 if the publisher has none, or is in another app. */
  readonly sender: number
}

/** A message in the log of a topic. */
export class Entry implements Draft, Position {
  readonly place: string
  readonly mark: string
  readonly kind: Kind
  readonly payload: Payload
  readonly sender: number

  constructor ({ place, mark }: Position, { kind, payload, sender }: Draft) {
    this.place = place
    this.mark = mark
    this.kind = kind
    this.payload = payload
    this.sender = sender
  }

  get position (): string {
    return positionOf(this)
  }

  /** The content as the program uses it, which may change it: a string, a parsed JSON value, or a copy of the bytes. */
  get data (): unknown {
    if (this.kind === 'bytes') return Buffer.from(this.payload as Uint8Array)
    return this.kind === 'json' ? JSON.parse(this.#text) : this.#text
  }

  /** The message as it was published. */
  prepare (): PreparedMessage {
    return new PreparedMessage(this.payload, this.kind !== 'bytes')
  }

  /** The message with its position: JSON with `topic`, `position` and `data`. `before` is the entry before it in the topic. */
  preparePositioned (topic: string, before: Position | null): PositionedMessage {
    return new PositionedMessage(`{"topic":${JSON.stringify(topic)},"position":${JSON.stringify(this.position)},${this.#members}}`, before)
  }

  get #text (): string {
    return asText(this.payload)
  }

  get #members (): string {
    switch (this.kind) {
      case 'bytes': return `"data":"${toBuffer(this.payload as Uint8Array).toString('base64')}","encoding":"base64"`
      case 'json': return `"data":${this.#text}`
      default: return `"data":${JSON.stringify(this.#text)}`
    }
  }
}

/** A message with its position. */
export class PositionedMessage extends PreparedMessage {
  constructor (payload: string, readonly before: Position | null) {
    super(payload)
  }
}

function asText (payload: Payload): string {
  return typeof payload === 'string' ? payload : toBuffer(payload).toString()
}
