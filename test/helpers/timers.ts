/** The number of timers that are running in this process. */
export function runningTimers (): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
}
