import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { findProgram } from './program'

const executable = findProgram('nats-server')

/** For `t.test`: why what takes a server is skipped, if it is. */
export const skip = executable === undefined ? 'there is no nats-server on the PATH' : false

/** A server of this test's own. It ends with the test. */
export class NatsServer {
  /** The same for as long as there is this object, whatever becomes of the process. */
  port = -1 // any that is free
  readonly #folder = mkdtempSync(join(tmpdir(), 'nats-'))
  #process?: ChildProcess
  #log = ''

  /** `config` is what its configuration file says, besides where it listens. */
  static async start (t: Test, config = ''): Promise<NatsServer> {
    const server = new NatsServer()
    t.teardown(async () => {
      await server.kill()
      rmSync(server.#folder, { recursive: true })
    })
    server.#configure(config)
    await server.start()
    return server
  }

  /** Starts it, on its port. Resolves when it can be connected to. */
  async start (): Promise<void> {
    const args = ['--addr', '127.0.0.1', '--port', String(this.port), '--config', this.#file]
    const child = this.#process = spawn(executable!, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr!.setEncoding('utf8').on('data', (chunk) => { this.#log += chunk })
    await this.said(/Server is ready/)
    this.port = Number(/client connections on 127\.0\.0\.1:(\d+)/.exec(this.#log)![1])
  }

  /** Ends it as a crash would. Resolves when it is gone. */
  async kill (): Promise<void> {
    const child = this.#process!
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    this.#log = ''
  }

  /** From now on it does nothing, and its connections stay open. */
  freeze (): void {
    this.#process!.kill('SIGSTOP')
  }

  thaw (): void {
    this.#process!.kill('SIGCONT')
  }

  /** Resolves when it has said something. */
  async said (pattern: RegExp): Promise<void> {
    const child = this.#process!
    while (!pattern.test(this.#log)) {
      if (child.exitCode !== null) throw new Error(`nats-server has ended: ${this.#log}`)
      await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')])
    }
  }

  /** Resolves when another configuration is in force. */
  async reload (config: string): Promise<void> {
    this.#configure(config)
    this.#process!.kill('SIGHUP')
    await this.said(/Reloaded server configuration/)
  }

  /** A connection, which is closed at the end of `t`: by default one that tries again for ever, and soon. */
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
