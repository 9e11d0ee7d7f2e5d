/** The package `name`, which the app may have installed; null if it has not. */
export function installed (name: string): any {
  try {
    return require(name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return null
    throw error
  }
}
