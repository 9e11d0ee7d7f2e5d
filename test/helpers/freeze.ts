import { readdirSync, readFileSync } from 'node:fs'
import { until } from './until'
import type { ChildProcess } from 'node:child_process'

/** Stops a process, whose connections stay open. Resolves when all its threads have stopped, which Linux tells. */
export async function freeze (child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP')
  await until(() => statesOf(child.pid!).every((state) => state === 'T'))
}

/** The states of the threads of a process. Empty on a system without `/proc`. */
function statesOf (pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((id) => /\) (\w)/.exec(readFileSync(`/proc/${pid}/task/${id}/stat`, 'latin1'))![1])
  } catch {
    return []
  }
}
