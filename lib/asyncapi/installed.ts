/** The package `name`, which the app may have installed; undefined if it has not. */
export function installed (name: string): any {
  try {
    return require(name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}
