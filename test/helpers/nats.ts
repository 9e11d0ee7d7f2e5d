import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node'
import { spawn, type ChildProcess } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { natsBroker, type NatsBrokerOptions, type NatsConnection as BrokerConnection } from '../../lib/brokers/nats'
import { freeze } from './freeze'
import { findProgram } from './program'
import { Recorder, type Recorded } from './recorder'

const executable = findProgram('nats-server')

/** The option `skip` of `t.test`, for tests that need a server. */
export const skip = executable === undefined ? 'there is no nats-server on the PATH' : false

/** A NATS server for one test. The server ends with the test. */
export class NatsServer {
  /** Stays the same when the server starts again. */
  port = -1 // for NATS: any free port
  readonly #folder = mkdtempSync(join(tmpdir(), 'nats-'))
  readonly #args: string[]
  #process?: ChildProcess
  #log = ''

  private constructor (isWithJetStream: boolean) {
    this.#args = isWithJetStream ? ['--jetstream', '--store_dir', join(this.#folder, 'streams')] : []
  }

  /** `config` is the content of the configuration file. It need not have the address. With JetStream, streams stay over restarts. */
  static async start (t: Test, config = '', { jetStream = false } = {}): Promise<NatsServer> {
    const server = new NatsServer(jetStream)
    t.teardown(async () => {
      await server.kill()
      rmSync(server.#folder, { recursive: true })
    })
    server.#configure(config)
    await server.start()
    return server
  }

  /** Starts the server on its port. Resolves when the server accepts connections. */
  async start (): Promise<void> {
    const args = ['--addr', '127.0.0.1', '--port', String(this.port), '--config', this.#file, ...this.#args]
    const child = this.#process = spawn(executable!, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr!.setEncoding('utf8').on('data', (chunk) => { this.#log += chunk })
    await this.said(/Server is ready/)
    this.port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(this.#log)![1])
  }

  /** Ends the server, by default as a crash would. Resolves when the server is gone. */
  async kill (signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#process!
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
    this.#log = ''
  }

  /** Stops the process. Its connections stay open. */
  async freeze (): Promise<void> {
    await freeze(this.#process!)
  }

  thaw (): void {
    this.#process!.kill('SIGCONT')
  }

  /** Resolves when the log of the server matches `pattern`. */
  async said (pattern: RegExp): Promise<void> {
    const child = this.#process!
    if (pattern.test(this.#log)) return
    if (child.exitCode === null) {
      for await (const _chunk of on(child.stderr!, 'data', { close: ['close'] })) if (pattern.test(this.#log)) return // eslint-disable-line @typescript-eslint/no-unused-vars -- the listener of `start` keeps the chunk
    }
    throw new Error(`nats-server has ended: ${this.#log}`)
  }

  /** Changes the configuration. Resolves when the server uses the new one. */
  async reload (config: string): Promise<void> {
    this.#configure(config)
    this.#process!.kill('SIGHUP')
    await this.said(/Reloaded server configuration/)
  }

  /** Connects to the server. By default, the connection reconnects for ever, every 50 ms. It closes at the end of `t`. */
  async connect (t: Test, options?: ConnectionOptions): Promise<NatsConnection> {
    const connection = await connect({ servers: `127.0.0.1:${this.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 10, ...options })
    t.teardown(() => connection.close())
    return connection
  }

  get #file (): string {
    return join(this.#folder, 'nats.conf')
  }

  #configure (config: string): void {
    writeFileSync(this.#file, config)
  }
}

/** Starts a broker, and resolves when the broker is up. The end of `t` closes it. */
export async function startBroker (t: Test, connection: BrokerConnection, options?: NatsBrokerOptions): Promise<Recorded> {
  const broker = natsBroker(connection, options)
  t.teardown(() => broker.close())
  const told = new Recorder()
  await broker.start(told)
  t.equal(told.ups, 1)
  return { broker, told }
}
