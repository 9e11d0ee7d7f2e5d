import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export const root = join(__dirname, '..', '..')
export const examples = join(root, 'example')

/** An example in a process of its own, started as a user starts it: `node example/<file> …`. */
export class Example {
  readonly child: ChildProcess
  /** Resolves with the text on stderr when the process has ended. */
  readonly stderr: Promise<string>
  /** Resolves with the exit code, or with the signal that ended the process. */
  readonly ended: Promise<number | string>
  #lines = ''
  #wake = (): void => {}
  #isOver = false

  /** An example that listens takes a free port, unless `env` has `PORT`. */
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

  /** Resolves with the next line on stdout. Rejects if the process ends before the line. */
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

  /** Resolves with the URLs that the example prints when it listens. */
  async ready (): Promise<string[]> {
    const [word, ...urls] = (await this.line()).split(' ')
    if (word !== 'Ready:') throw new Error(`not a line of start.js: ${word}`)
    return urls
  }

  /** Resolves with the rest of stdout when the process has ended. */
  async rest (): Promise<string> {
    await this.ended
    return this.#lines
  }

  kill (signal: NodeJS.Signals = 'SIGKILL'): void {
    this.child.kill(signal)
  }
}
