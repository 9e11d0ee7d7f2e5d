import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { Subjects } from './subjects'
import type { Retention } from '../../../types/broker'

/** The least maximum age that every version of the server takes, in milliseconds. */
const MIN_AGE = 100

/**
 * Milliseconds. NATS 2.9 says that a stream is gone before its files are. A stream that is created in between loses its new files,
 * and takes no message.
 */
const DELETION = 200

const NS_PER_MS = 1_000_000

/**
 * The number of streams for each retention. To find the next message of a topic, the server looks at all messages of the stream in
 * between, those of other topics. The servers of a cluster share the streams, too.
 */
const PARTS = 16

/**
 * A stream. It keeps the messages of topics with the same retention, since size and age are limits of a stream. A message is
 * published to the log subject of its topic. The server keeps it, and publishes it again to the live subject, with its sequence
 * number.
 */
export class Stream {
  readonly name: string
  /** The subjects to which messages are published. */
  readonly logs: Subjects
  /** The subjects from which messages come. */
  readonly lives: Subjects
  /** Resolves when the server has the stream. Undefined if that is not known. */
  ready?: Promise<void>
  /** Resolves when a lost stream can be created again. */
  isGone?: Promise<void>
  /** The number of calls that have appended, or tried to. */
  appends = 0
  readonly #config: object

  constructor (prefix: string, { size, ttl }: Retention, part: number) {
    const age = Math.max(MIN_AGE, Math.ceil(ttl))
    const limits = `${size}_${age}`
    const [log, live] = [`${prefix}log.${limits}.${part}.`, `${prefix}live.${limits}.${part}.`]
    this.name = `${nameOf(prefix)}_${limits}_${part}`
    this.logs = new Subjects(log)
    this.lives = new Subjects(live)
    this.#config = {
      name: this.name,
      description: `fastify-async-websocket: topics with history of ${size} messages and ${age} ms`,
      subjects: [`${log}>`],
      storage: 'file',
      retention: 'limits',
      discard: 'old',
      max_msgs_per_subject: size,
      max_age: age * NS_PER_MS,
      max_consumers: -1,
      num_replicas: 1,
      allow_direct: true,
      republish: { src: `${log}>`, dest: `${live}>` }
    }
  }

  /** The server does not have the stream: somebody has deleted it. */
  lose (): void {
    this.ready = undefined
    this.isGone = setTimeout(DELETION, undefined, { ref: false })
  }

  /** What the server needs to create the stream. */
  get config (): Buffer {
    return Buffer.from(JSON.stringify(this.#config))
  }
}

/** The number of the stream that has `topic`, among those of the same retention: the same in all processes, and in all versions. */
export function partOf (topic: string): number {
  let hash = 0x811c9dc5 // FNV-1a
  for (let i = 0; i < topic.length; i++) hash = Math.imul(hash ^ topic.charCodeAt(i), 0x01000193)
  return (Math.imul(hash ^ hash >>> 15, 0x85ebca6b) >>> 16) % PARTS // the last bits of FNV-1a alone spread short names badly
}

/** A name for a stream that no other prefix has. A name of a stream has no dots, and is that of a folder, too. */
function nameOf (prefix: string): string {
  const readable = prefix.replace(/[^\w-]+/g, '_').slice(0, 64)
  return `${readable}${createHash('sha256').update(prefix).digest('hex').slice(0, 12)}`
}
