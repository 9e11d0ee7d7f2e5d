import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { freeze } from './freeze'
import { freePort, isListening } from './ports'
import { findProgram } from './program'

const executable = findProgram('redis-server')
const cli = findProgram('redis-cli')

const [CERTIFICATE, KEY] = ['cert.pem', 'key.pem'].map((name) => join(__dirname, '..', 'fixtures', name))
const SECURE = ['--tls-cert-file', CERTIFICATE, '--tls-key-file', KEY, '--tls-ca-cert-file', CERTIFICATE, '--tls-auth-clients', 'no']

/** The option `skip` of `t.test`, for tests that need a server. */
export const skip = executable === undefined || cli === undefined ? 'there is no redis-server and redis-cli on the PATH' : false

/** In ms: a cluster counts a master as failed after this time without an answer. */
const NODE_TIMEOUT = 1_000

export interface ServerOptions {
  /** Further arguments of the command line. */
  args?: string[]
  /** The server accepts TLS only. */
  isSecure?: boolean
}

/** A Redis server with its own folder. The server ends with the test. */
export class RedisServer {
  readonly port: number
  /** The certificate of the authority that signed the server's certificate. */
  readonly ca = readFileSync(CERTIFICATE)
  readonly #args: string[]
  #process!: ChildProcess

  private constructor (port: number, args: string[]) {
    this.port = port
    this.#args = args
  }

  static async start (t: Test, { args = [], isSecure = false }: ServerOptions = {}): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'redis-'))
    const port = await freePort()
    const server = new RedisServer(port, [
      ...isSecure ? ['--tls-port', String(port), '--port', '0', ...SECURE] : ['--port', String(port)],
      '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...args
    ])
    t.teardown(async () => {
      await server.kill()
      rmSync(folder, { recursive: true })
    })
    await server.start()
    return server
  }

  /** Starts the server, always with the same port and arguments. Resolves when the server listens. */
  async start (): Promise<void> {
    this.#process = spawn(executable!, this.#args, { stdio: 'ignore' })
    while (!await isListening(this.port)) {
      if (this.#process.exitCode !== null) throw new Error(`redis-server has ended with ${this.#process.exitCode}`)
      await setTimeout(5)
    }
  }

  /** Ends the server as a crash would. Resolves when the server is gone. */
  async kill (): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  /** Stops the process. Its connections stay open. */
  async freeze (): Promise<void> {
    await freeze(this.#process)
  }

  thaw (): void {
    this.#process.kill('SIGCONT')
  }

  /** The sockets of this process that are connected to the server. */
  connections (): Socket[] {
    const handles: unknown[] = (process as any)._getActiveHandles() // Node has no public API for this
    return handles.filter((handle): handle is Socket => handle instanceof Socket && handle.remotePort === this.port)
  }

  /** Sends a command. Resolves with the server's answer as text. */
  async ask (...command: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(cli!, ['-p', String(this.port), ...command])
    return stdout.trim()
  }

  /** Publishes to a channel. `spublish` publishes to a sharded channel, in a cluster. */
  async publish (channel: string, message: Buffer, verb: 'publish' | 'spublish' = 'publish'): Promise<void> {
    const published = promisify(execFile)(cli!, ['-p', String(this.port), '-x', verb, channel])
    published.child.stdin!.end(message)
    await published
  }
}

/** A cluster of three masters with one replica each. The cluster ends with the test. */
export class RedisCluster {
  readonly nodes: RedisServer[]

  private constructor (nodes: RedisServer[]) {
    this.nodes = nodes
  }

  static async start (t: Test): Promise<RedisCluster> {
    const nodes: RedisServer[] = []
    for (let i = 0; i < 6; i++) {
      nodes.push(await RedisServer.start(t, {
        args: [
          '--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT), '--cluster-port', String(await freePort()),
          '--cluster-replica-validity-factor', '0', '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'
        ]
      }))
    }
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
    await promisify(execFile)(cli!, ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'])
    const cluster = new RedisCluster(nodes)
    await cluster.ready()
    return cluster
  }

  get addresses (): { host: string, port: number }[] {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** Starts all nodes again. Resolves when all nodes listen. */
  async startAll (): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()))
  }

  async killAll (): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
  }

  /** Resolves when every node reports that all slots are served, and every replica is connected to its master. */
  async ready (): Promise<void> {
    for (const node of this.nodes) {
      while (!/cluster_state:ok/.test(await node.ask('cluster', 'info'))) await setTimeout(20)
      while (/master_link_status:down/.test(await node.ask('info', 'replication'))) await setTimeout(20)
    }
  }

  /** The node that is the master of a channel. */
  async masterOf (channel: string): Promise<RedisServer> {
    const { port } = await this.#ownerOf(channel)
    return this.nodes.find((node) => node.port === port)!
  }

  /** Moves the slot of a channel to another master. Resolves when every node knows the new master. */
  async move (channel: string): Promise<void> {
    const slot = await this.nodes[0].ask('cluster', 'keyslot', channel)
    const masters = (await nodesOf(this.nodes[0])).filter(({ has }) => has.length > 0)
    const from = await this.#ownerOf(channel)
    const to = masters.find(({ id }) => id !== from.id)!
    const [source, target] = [from, to].map(({ port }) => this.nodes.find((node) => node.port === port)!)
    await target.ask('cluster', 'setslot', slot, 'importing', from.id)
    await source.ask('cluster', 'setslot', slot, 'migrating', to.id)
    for (const node of [target, source]) await node.ask('cluster', 'setslot', slot, 'node', to.id)
    for (const node of this.nodes) {
      while ((await this.#ownerOf(channel, node)).id !== to.id) await setTimeout(20)
    }
  }

  /** Lets the replica of a channel's master take the master's place. Resolves when every node knows the new master. */
  async handOver (channel: string): Promise<void> {
    const from = await this.#ownerOf(channel)
    const replica = (await nodesOf(this.nodes[0])).find(({ master }) => master === from.id)!
    await this.nodes.find(({ port }) => port === replica.port)!.ask('cluster', 'failover')
    for (const node of this.nodes) {
      while ((await this.#ownerOf(channel, node)).id !== replica.id) await setTimeout(20)
    }
  }

  async #ownerOf (channel: string, asked = this.nodes[0]): Promise<ClusterNode> {
    const slot = Number(await asked.ask('cluster', 'keyslot', channel))
    return (await nodesOf(asked)).find(({ has }) => has.some(([from, to = from]) => slot >= from && slot <= to))!
  }
}

interface ClusterNode {
  id: string
  port: number
  /** For a replica: the id of its master. */
  master: string
  /** Ranges of slots: first and last slot. */
  has: number[][]
}

/** The nodes of the cluster, as `node` reports them. */
async function nodesOf (node: RedisServer): Promise<ClusterNode[]> {
  return (await node.ask('cluster', 'nodes')).split('\n').map((line) => {
    const [id, address, , master, , , , , ...ranges] = line.split(' ')
    const has = ranges.filter((range) => !range.startsWith('[')).map((range) => range.split('-').map(Number))
    return { id, port: Number(address.match(/:(\d+)@/)![1]), master, has }
  })
}
