'use strict'

// This plugin with the metrics of OpenTelemetry, which the SDK collects every five seconds, and the handler that iterates.

const otel = require('@opentelemetry/api')
const { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics')
const { register } = require('../../dist/lib/observe/otel')
const { listen } = require('./ours')

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 5_000, exportTimeoutMillis: 1_000 })
otel.metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
register(otel)

module.exports = { listen }
