import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** How long a program may take, in milliseconds. */
const LIMIT = 20_000

/** The first of `commands` that succeeds with `args`: of several installations of an interpreter, one may have a module. */
export function findCommand (commands: string[], args: string[]): string | undefined {
  return commands.find((command) => spawnSync(command, args, { stdio: 'ignore' }).status === 0)
}

/** What a program of test/peers, that is to talk with `url` and say `lines`, prints as JSON. */
export async function runPeer (command: string[], file: string, url: string, lines: object): Promise<any> {
  const [interpreter, ...options] = command
  const { stdout } = await run(interpreter, [...options, join(__dirname, '..', 'peers', file), url, JSON.stringify(lines)], { timeout: LIMIT })
  return JSON.parse(stdout)
}
