import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { root } from './example'
import { freePort } from './ports'
import { findProgram } from './program'
import type { Test } from 'tap'

/** The values of one proxy: its folder, and values that replace those of the docs. */
interface Setting {
  folder: string
  /** The ports of the proxy and of the app. */
  port: number
  app: number
  /** In seconds: replaces the idle timeouts of the docs. */
  idle: number
}

/** A kind of proxy, and how to start it with its configuration in `docs/deployment.md`. */
export interface Kind {
  program: string
  /** The language of the proxy's block in the docs. */
  language: string
  /** Whether the proxy terminates TLS. */
  tls: boolean
  /** Whether the proxy serves pages over HTTP/2. */
  http2: boolean
  /** Whether the proxy closes idle connections. */
  cutsIdle: boolean
  /** How to reload the configuration, by a signal or a function, and whether that leaves connections open. Undefined: not tested. */
  reload?: { leavesOpen: boolean, by: NodeJS.Signals | ((setting: Setting, master: ChildProcess) => Promise<unknown>) }
  /** Completes the documented configuration to a whole one. */
  around? (configuration: string, setting: Setting): string
  /** The arguments of the program; `file` is its configuration. */
  args (file: string, setting: Setting): string[]
}

const MODULES = ['mpm_event', 'authz_core', 'ssl', 'proxy', 'proxy_http', 'headers', 'http2']

export const KINDS: Record<string, Kind> = {
  nginx: {
    program: 'nginx',
    language: 'nginx',
    tls: true,
    http2: true,
    cutsIdle: true,
    reload: { leavesOpen: true, by: 'SIGHUP' },
    around: (configuration, { folder }) => [
      'daemon off;',
      `pid ${folder}/pid;`,
      'user root;', // lets the workers reach the folder; without effect if the test does not run as root
      'events {}',
      'http {',
      'access_log off;',
      ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`),
      configuration,
      '}'
    ].join('\n'),
    args: (file, { folder }) => ['-p', folder, '-e', 'stderr', '-c', file]
  },
  HAProxy: {
    program: 'haproxy',
    language: 'haproxy',
    tls: true,
    http2: false,
    cutsIdle: true,
    reload: {
      leavesOpen: true,
      async by ({ folder }, master) {
        const control = await listening({ path: `${folder}/control` }, master) // the control socket opens later than the port, and pauses while HAProxy starts
        control.end('reload\n').resume()
      }
    },
    args: (file, { folder }) => ['-W', '-db', '-S', `${folder}/control`, '-f', file]
  },
  Apache: {
    program: 'apache2',
    language: 'apache',
    tls: true,
    http2: true,
    cutsIdle: true,
    reload: { leavesOpen: true, by: 'SIGUSR1' },
    around: (configuration, { folder, port }) => [
      ...MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`),
      `ServerRoot ${folder}`,
      `PidFile ${folder}/pid`,
      `ErrorLog ${folder}/log`,
      'ServerName localhost',
      'User #65534',
      'Group #65534',
      `Listen ${port}`,
      configuration
    ].join('\n'),
    args: (file) => ['-f', file, '-D', 'FOREGROUND']
  },
  Caddy: {
    program: 'caddy',
    language: 'caddyfile',
    tls: true,
    http2: true,
    cutsIdle: false,
    reload: {
      leavesOpen: false,
      by: async ({ folder }) => await once(spawn('caddy', ['reload', '--force', '--config', `${folder}/configuration`, '--adapter', 'caddyfile'], { stdio: 'ignore' }), 'close')
    },
    around: (configuration, { folder }) => [
      '{',
      `admin unix/${folder}/control`,
      'auto_https disable_redirects',
      `storage file_system ${folder}/storage`,
      '}',
      configuration
    ].join('\n'),
    args: (file) => ['run', '--config', file, '--adapter', 'caddyfile']
  },
  lighttpd: {
    program: 'lighttpd',
    language: 'lighttpd',
    tls: true,
    http2: false,
    cutsIdle: true,
    around: (configuration, { folder }) => `server.document-root = "${folder}"\n${configuration}`,
    args: (file) => ['-D', '-f', file]
  },
  Varnish: {
    program: 'varnishd',
    language: 'vcl',
    tls: false,
    http2: false,
    cutsIdle: true,
    args: (file, { folder, port, idle }) => [
      '-F', '-n', folder,
      ...documentedArgs('varnishd').map((arg) => arg.replace(':80', `:${port}`).replace('/etc/varnish/chat.vcl', file).replace('60', String(idle)))
    ]
  },
  nghttpx: {
    program: 'nghttpx',
    language: 'nghttpx',
    tls: true,
    http2: true,
    cutsIdle: true,
    reload: { leavesOpen: true, by: 'SIGHUP' },
    around: (configuration) => `no-ocsp=yes\n${configuration}`,
    args: (file) => [`--conf=${file}`]
  }
}

/** The path of the program of a kind; undefined if the program is missing. */
export function findProxy ({ program }: Kind): string | undefined {
  return findProgram(program)
}

/** A running proxy with the configuration of `docs/deployment.md`. The proxy ends with the test. */
export class Proxy {
  readonly kind: Kind
  readonly #setting: Setting
  readonly #master: ChildProcess
  #before: string[] = []

  private constructor (kind: Kind, setting: Setting, master: ChildProcess) {
    this.kind = kind
    this.#setting = setting
    this.#master = master
  }

  /** Starts a proxy in front of the port `app`, with idle timeouts of `idle` seconds. */
  static async start (t: Test, kind: Kind, options: { app: number, idle: number }): Promise<Proxy> {
    const setting = { ...options, folder: createFolder(t), port: await freePort() }
    const { around = (configuration) => configuration, args, program, language } = kind
    const file = join(setting.folder, 'configuration')
    writeFileSync(file, around(documented(language, setting), setting))
    const master = start(t, findProgram(program)!, args(file, setting), setting.folder)
    const probe = await listening(setting, master)
    probe.destroy()
    return new Proxy(kind, setting, master)
  }

  get port (): number {
    return this.#setting.port
  }

  /** Reloads the configuration. If the old process keeps its connections, resolves when a new process runs beside it. */
  async reload (): Promise<void> {
    const { by, leavesOpen } = this.kind.reload!
    this.#before = this.#workers()
    if (typeof by === 'string') this.#master.kill(by)
    else await by(this.#setting, this.#master)
    if (!leavesOpen) return
    while (this.#workers().every((worker) => this.#before.includes(worker))) await setTimeout(5)
  }

  /** Resolves when all processes from before the reload have ended. */
  async oldWorkersEnded (): Promise<void> {
    while (this.#workers().some((worker) => this.#before.includes(worker))) await setTimeout(5)
  }

  #workers (): string[] {
    const { pid } = this.#master
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(isRunning)
  }
}

/** Whether a process is running, and is no zombie. */
function isRunning (pid: string): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function createFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'))
  chmodSync(folder, 0o755) // some proxies read the folder as another user
  const pem = (name: string): string => readFileSync(join(root, 'test', 'fixtures', `${name}.pem`), 'utf8')
  writeFileSync(join(folder, 'chat.pem'), pem('cert') + pem('key'))
  writeFileSync(join(folder, 'chat.key'), pem('key'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const docs = readFileSync(join(root, 'docs', 'deployment.md'), 'utf8')

/** The configuration in the docs, with the folder, the ports and the idle timeouts of this test. */
function documented (language: string, { folder, port, app, idle }: Setting): string {
  const [, block] = docs.match(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's'))!
  return block.replaceAll('/etc/ssl/', `${folder}/`).replace(/\b443\b/g, String(port)).replace(/\b3000\b/, String(app)).replace(/\b60(s?)\b/g, `${idle}$1`)
}

/** The arguments of a program in the docs. */
function documentedArgs (program: string): string[] {
  const [, line] = docs.match(new RegExp(`^\\$ ${program} (.*)$`, 'm'))!
  return line.split(' ')
}

function start (t: Test, executable: string, args: string[], home: string): ChildProcess {
  const child = spawn(executable, args, { env: { ...process.env, HOME: home }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => { said += chunk })
  let isOver = false
  const ended = once(child, 'exit').then(([code]) => { if (!isOver && code) throw new Error(`${executable} has ended: ${said}`) })
  t.teardown(async () => {
    isOver = true
    child.kill('SIGTERM')
    await ended
  })
  return child
}

/** Resolves with a connection to `address` as soon as `process` listens there. */
async function listening (address: { port: number } | { path: string }, process: ChildProcess): Promise<Socket> {
  while (process.exitCode === null) {
    const socket = connect(address)
    try {
      await once(socket, 'connect')
      return socket
    } catch {
      await setTimeout(10)
    }
  }
  throw new Error(`${process.spawnfile} has not started`)
}
