import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** How long a program may take, in milliseconds. */
const LIMIT = 20_000

/** The first of `commands` that succeeds with `args`: of several installations of an interpreter, one may have a module. */
export function findCommand (commands: string[], args: string[]): string | undefined {
  return commands.find((command) => spawnSync(command, args, { stdio: 'ignore' }).status === 0)
}

/** An expression for a page: the promise of the function that a module of test/peers exports. */
export function callInPage (file: string, ...args: unknown[]): string {
  const module = JSON.stringify(readFileSync(join(__dirname, '..', 'peers', file), 'utf8'))
  return `(() => {
    const require = {}
    const module = {}
    new Function('require', 'module', ${module})(require, module)
    return module.exports(...${JSON.stringify(args)})
  })()`
}

/** What a program of test/peers prints as JSON. */
export async function runPeer (command: string[], file: string, ...args: string[]): Promise<any> {
  const [interpreter, ...options] = command
  const { stdout } = await run(interpreter, [...options, join(__dirname, '..', 'peers', file), ...args], { timeout: LIMIT })
  return JSON.parse(stdout)
}
