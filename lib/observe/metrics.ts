import { accepted, closed, messageReceived, messageSent, refused, subscribe } from './channels'
import { isRegistered } from './counters'
import { processCounters } from './process-counters'
import type * as OpenTelemetry from '@opentelemetry/api'
import type { Attributes, BatchObservableResult, Histogram } from '@opentelemetry/api'
import type { AcceptedEvent, ClosedEvent, MessageEvent, ObservedRoute, RefusedEvent } from '../../types/observe'

export const NAME = 'fastify-async-websocket'

/** Seconds. Connections last from moments to days. */
const DURATIONS = [0.1, 1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400]

/** Bytes. */
const SIZES = [16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576]

/**
 * The number of messages between two collections whose sizes are recorded, the first ones. To record one takes a few times as long as
 * to serve it.
 */
const SAMPLE = 10_000

const received = { 'network.io.direction': 'receive' }
const sent = { 'network.io.direction': 'transmit' }

/** Makes the instruments of the metrics. Returns a function that ends them. */
export function startMetrics ({ metrics }: typeof OpenTelemetry): () => void {
  const meter = metrics.getMeter(NAME)
  const ends = [
    countHandshakes(meter),
    recordDurations(meter),
    observeCounters(meter, new SizeSample(meter))
  ]
  return () => ends.forEach((end) => end())
}

function countHandshakes (meter: OpenTelemetry.Meter): () => void {
  const handshakes = meter.createCounter('websocket.server.handshakes', { unit: '{handshake}', description: 'WebSocket handshakes that were answered, by the status of the answer.' })
  const onAnswered = ({ route, statusCode }: AcceptedEvent | RefusedEvent): void => {
    handshakes.add(1, { ...by(route), 'http.response.status_code': statusCode })
  }
  const ends = [subscribe(accepted, onAnswered), subscribe(refused, onAnswered)]
  return () => ends.forEach((end) => end())
}

function recordDurations (meter: OpenTelemetry.Meter): () => void {
  const durations = meter.createHistogram('websocket.server.connection.duration', {
    unit: 's',
    description: 'How long WebSocket connections were open.',
    advice: { explicitBucketBoundaries: DURATIONS }
  })
  /** The codes that this process has sent. Clients make up others, which would be labels without bound. */
  const own = new Set<number>()
  return subscribe(closed, ({ route, code, sentCode, duration }: ClosedEvent) => {
    if (sentCode !== null) own.add(sentCode)
    const label = isRegistered(code) || own.has(code) ? String(code) : 'other'
    durations.record(duration / 1000, { ...by(route), 'websocket.close_code': label })
  })
}

/** Observes, at each collection, what is counted anyway. With each collection, a new sample begins. */
function observeCounters (meter: OpenTelemetry.Meter, sizes: SizeSample): () => void {
  const active = meter.createObservableUpDownCounter('websocket.server.active_connections', { unit: '{connection}', description: 'WebSocket connections that are open.' })
  const messages = meter.createObservableCounter('websocket.server.messages', { unit: '{message}', description: 'Messages of WebSocket connections.' })
  const observe = (result: BatchObservableResult): void => {
    sizes.begin()
    for (const [url, counters] of processCounters()) {
      if (url === null) continue // no connection is without a route
      const route = by({ url })
      result.observe(active, counters.open, route)
      result.observe(messages, counters.received.messages, { ...route, ...received })
      result.observe(messages, counters.sent.messages, { ...route, ...sent })
    }
  }
  meter.addBatchObservableCallback(observe, [active, messages])
  return () => {
    meter.removeBatchObservableCallback(observe, [active, messages])
    sizes.end()
  }
}

/** Records the sizes of the first messages after each collection. Until the next one, it listens to no further messages. */
class SizeSample {
  readonly #sizes: Histogram
  #left = 0
  #ends: (() => void)[] = []

  constructor (meter: OpenTelemetry.Meter) {
    this.#sizes = meter.createHistogram('websocket.server.message.size', {
      unit: 'By',
      description: `The contents of messages of WebSocket connections, of at most ${SAMPLE} messages between two collections.`,
      advice: { explicitBucketBoundaries: SIZES }
    })
    this.begin()
  }

  begin (): void {
    this.end()
    this.#left = SAMPLE
    this.#ends = [
      subscribe(messageReceived, (event) => this.#record(event, received)),
      subscribe(messageSent, (event) => this.#record(event, sent))
    ]
  }

  end (): void {
    this.#ends.forEach((end) => end())
    this.#ends = []
  }

  #record ({ route, size }: MessageEvent, direction: Attributes): void {
    this.#sizes.record(size, { ...by(route), ...direction })
    if (--this.#left === 0) this.end()
  }
}

function by (route: ObservedRoute | null): Attributes {
  return route === null ? {} : { 'http.route': route.url }
}
