import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { root } from './example'
import { freePort } from './ports'
import type { Test } from 'tap'

/** What a test puts in the place of what the documented configuration says. */
export interface ProxyOptions {
  /** The port of the app. */
  app: number
  /** Seconds, in place of the documented idle timeouts. */
  idle?: number
}

/** A proxy on this machine, as `docs/deployment.md` sets it up. It ends with the test. */
export class Proxy {
  readonly port: number
  readonly #master: ChildProcess
  readonly #reload: () => Promise<void>

  private constructor (port: number, master: ChildProcess, reload: () => Promise<void>) {
    this.port = port
    this.#master = master
    this.#reload = reload
  }

  static async nginx (t: Test, executable: string, options: ProxyOptions): Promise<Proxy> {
    const folder = createFolder(t)
    const port = await freePort()
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, [
      'daemon off;',
      `pid ${folder}/pid;`,
      'user root;', // its workers are to reach the folder; it says nothing where nobody is root
      'events {}',
      'http {',
      'access_log off;',
      ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`),
      documented('nginx', port, options).replace('/etc/ssl/chat.pem', fixture('cert.pem')).replace('/etc/ssl/chat.key', fixture('key.pem')),
      '}'
    ].join('\n'))
    const master = start(t, executable, ['-p', folder, '-e', 'stderr', '-c', file])
    const probe = await listening({ port }, master)
    probe.destroy()
    return new Proxy(port, master, async () => { master.kill('SIGHUP') })
  }

  static async haproxy (t: Test, executable: string, options: ProxyOptions): Promise<Proxy> {
    const folder = createFolder(t)
    const port = await freePort()
    const pem = join(folder, 'chat.pem')
    writeFileSync(pem, readFileSync(fixture('cert.pem'), 'utf8') + readFileSync(fixture('key.pem'), 'utf8'))
    const file = join(folder, 'haproxy.cfg')
    writeFileSync(file, documented('haproxy', port, options).replace('/etc/ssl/chat.pem', pem))
    const control = join(folder, 'master.sock')
    const master = start(t, executable, ['-W', '-db', '-S', control, '-f', file])
    const probe = await listening({ port }, master)
    probe.destroy()
    return new Proxy(port, master, async () => {
      const socket = await listening({ path: control }, master) // which begins later, and pauses as it starts
      socket.end('reload\n').resume()
    })
  }

  /** Reads the configuration again; resolves when there is a new process beside the old one. */
  async reload (): Promise<void> {
    const before = this.#workers()
    await this.#reload()
    while (this.#workers().every((worker) => before.includes(worker))) await setTimeout(5)
  }

  /** Resolves when the process from before a reload has ended. */
  async oldOnesEnded (): Promise<void> {
    while (this.#workers().length > 1) await setTimeout(5)
  }

  #workers (): string[] {
    const { pid } = this.#master
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(isRunning)
  }
}

/** Whether a process is there, and not only its remains, which its parent has not looked at yet. */
function isRunning (pid: string): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function fixture (name: string): string {
  return join(root, 'test', 'fixtures', name)
}

function createFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The configuration in the docs, with what is this test's own. */
function documented (language: string, port: number, { app, idle = 60 }: ProxyOptions): string {
  const docs = readFileSync(join(root, 'docs', 'deployment.md'), 'utf8')
  const [, block] = docs.match(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's'))!
  return block.replace('listen 443', `listen ${port}`).replace(':443', `:${port}`).replace('127.0.0.1:3000', `127.0.0.1:${app}`).replaceAll('60s', `${idle}s`)
}

function start (t: Test, executable: string, args: string[]): ChildProcess {
  const child = spawn(executable, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => { said += chunk })
  const ended = once(child, 'exit').then(([code, signal]) => { if (signal !== 'SIGKILL' && code) throw new Error(`${executable} has ended: ${said}`) })
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
  })
  return child
}

/** Resolves with a connection to there as soon as `process` listens. */
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
