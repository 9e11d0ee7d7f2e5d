import { chromium, type Browser } from 'playwright-core'
import { findProgram } from './program'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

export const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
]

/** Returns the path of a Chromium: of the one that CHROMIUM names, or of the first one on the PATH. */
export function findChromium (): string | undefined {
  return process.env.CHROMIUM || findProgram(...NAMES)
}

/** Starts Chromium with a new profile, which Playwright removes at the end. */
export async function launchChromium (executablePath: string): Promise<Browser> {
  return await chromium.launch({ executablePath, args: ARGS })
}
