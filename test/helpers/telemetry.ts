import { FastifyOtelInstrumentation } from '@fastify/otel'
import * as api from '@opentelemetry/api'
import { AggregationTemporality, DataPointType, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type DataPoint, type Histogram } from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import type { Test } from 'tap'

export { api }

/** The OpenTelemetry SDK with exporters in memory, as the global one until the end of `t`. */
export class Telemetry {
  readonly spans = new InMemorySpanExporter()
  readonly #exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  readonly #meters: MeterProvider
  readonly #tracers = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.spans)] })

  constructor (t: Pick<Test, 'teardown'>) {
    const reader = new PeriodicExportingMetricReader({ exporter: this.#exporter, exportIntervalMillis: 3_600_000, exportTimeoutMillis: 1_000 })
    this.#meters = new MeterProvider({ readers: [reader] })
    this.#tracers.register()
    api.metrics.setGlobalMeterProvider(this.#meters)
    t.teardown(async () => {
      api.trace.disable()
      api.context.disable()
      api.propagation.disable()
      api.metrics.disable()
      await this.#meters.shutdown()
      await this.#tracers.shutdown()
    })
  }

  /** Returns @fastify/otel, which ends at the end of `t`. */
  instrumentation (t: Pick<Test, 'teardown'>, options?: object): FastifyOtelInstrumentation {
    const otel = new FastifyOtelInstrumentation(options)
    otel.setTracerProvider(this.#tracers)
    t.teardown(() => otel.disable())
    return otel
  }

  /** Collects the metrics. Resolves with the points of each metric: the attributes, and the value, or the count and the sum of a histogram. */
  async collect (): Promise<Record<string, { unit: string, points: [object, number, number?][] }>> {
    this.#exporter.reset()
    await this.#meters.forceFlush()
    const metrics = this.#exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics)
    return Object.fromEntries(metrics.map(({ descriptor: { name, unit }, dataPointType, dataPoints }) => {
      const points = dataPointType === DataPointType.HISTOGRAM
        ? (dataPoints as DataPoint<Histogram>[]).map(({ attributes, value }) => [attributes, value.count, value.sum])
        : (dataPoints as DataPoint<number>[]).map(({ attributes, value }) => [attributes, value])
      return [name, { unit, points: points as [object, number, number?][] }]
    }))
  }
}
