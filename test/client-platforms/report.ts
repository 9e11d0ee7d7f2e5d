// Runs the contract of channels for the built client in a JavaScript runtime, and prints what has passed:
// `ts-node-transpile-only test/client-platforms/report.ts deno run --allow-all`.
import { runInRuntime } from './runtime'

async function main (command: string[]): Promise<void> {
  const { passed, failures, exceptions } = await runInRuntime(command)
  for (const failure of failures) console.error(`not ok: ${failure}`)
  for (const exception of exceptions) console.log(`an exception: ${exception}`)
  console.log(`client: ${passed} assertions passed, ${failures.length} failed`)
  if (passed === 0 || failures.length > 0) process.exitCode = 1
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
