import { execFile, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** In ms: how long a program may take. */
const LIMIT = 20_000

/** The first of `commands` that succeeds with `args`. Used to find, among several installations of an interpreter, one that has a module. */
export function findCommand (commands: string[], args: string[]): string | undefined {
  return commands.find((command) => spawnSync(command, args, { stdio: 'ignore' }).status === 0)
}

/** An expression for a page. It calls the function that a module of test/peers exports; its value is the function's promise. */
export function callInPage (file: string, ...args: unknown[]): string {
  const module = JSON.stringify(readFileSync(join(__dirname, '..', 'peers', file), 'utf8'))
  return `(() => {
    const require = {}
    const module = {}
    new Function('require', 'module', ${module})(require, module)
    return module.exports(...${JSON.stringify(args)})
  })()`
}

/** Runs a program of test/peers. Resolves with the JSON value that the program prints. */
export async function runPeer (command: string[], file: string, ...args: string[]): Promise<any> {
  const [interpreter, ...options] = command
  const { stdout } = await run(interpreter, [...options, join(__dirname, '..', 'peers', file), ...args], { timeout: LIMIT })
  return JSON.parse(stdout)
}
