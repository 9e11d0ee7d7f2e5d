import { join } from 'node:path'
import type { Broker } from '../../types/broker'

/** The broker in memory of the examples, which docs/brokers.md shows. */
interface MemoryModule {
  MemoryServer: new () => { start (): void, stop (): void, send (channel: string, message: Uint8Array): void }
  MemoryBroker: new (server: InstanceType<MemoryModule['MemoryServer']>, options?: { prefix?: string }) => Broker
}

export const { MemoryServer, MemoryBroker }: MemoryModule = require(join(__dirname, '..', '..', 'example', 'memory-broker.js'))
