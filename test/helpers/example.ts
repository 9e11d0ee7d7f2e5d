import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export const root = join(__dirname, '..', '..')
export const examples = join(root, 'example')

/** An example as a process of its own, run as a user runs it: `node example/<file> …`. */
export class Example {
  readonly child: ChildProcess
  /** What it has written, when it has ended. */
  readonly stderr: Promise<string>
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
  #lines = ''
  #wake = (): void => {}
  #isOver = false

  /** Examples that listen take a free port, unless `env` says which. */
  constructor (file: string, args: string[] = [], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [join('example', file), ...args], {
      cwd: root,
      env: { PATH: process.env.PATH, PORT: '0', ...env }
    })
    this.stderr = text(this.child.stderr!)
    this.ended = once(this.child, 'close').then(([code, signal]) => code ?? signal)
    this.child.stdout!.setEncoding('utf8').on('data', (chunk) => {
      this.#lines += chunk
      this.#wake()
    })
    this.ended.then(() => {
      this.#isOver = true
      this.#wake()
    })
  }

  /** The next line that it prints; rejects when it ends without. */
  async line (): Promise<string> {
    for (;;) {
      const end = this.#lines.indexOf('\n')
      if (end !== -1) {
        const line = this.#lines.slice(0, end)
        this.#lines = this.#lines.slice(end + 1)
        return line
      }
      if (this.#isOver) throw new Error(`${this.child.spawnargs.join(' ')} has ended: ${await this.stderr}`)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  /** The URLs that it prints when it listens. */
  async ready (): Promise<string[]> {
    const [word, ...urls] = (await this.line()).split(' ')
    if (word !== 'Ready:') throw new Error(`not a line of start.js: ${word}`)
    return urls
  }

  /** Everything that it prints from here on, to its end. */
  async rest (): Promise<string> {
    await this.ended
    return this.#lines
  }

  kill (signal: NodeJS.Signals = 'SIGKILL'): void {
    this.child.kill(signal)
  }
}
