import { findChromium } from './chromium'
import { ChromiumTab } from './chromium-tab'
import { findFirefox, Firefox } from './firefox'
import type { Test } from 'tap'
import type { Tab } from './tab'

interface Browser {
  /** Why the tests of the browser are skipped, if its program is missing. */
  missing: string | false
  /** Starts the browser. It ends with `t`. */
  launch (t: Test): Promise<Tab>
}

function browser (name: string, executable: string | undefined, Tab: { launch (t: Test, executable: string): Promise<Tab> }): Browser {
  return { missing: executable === undefined && `there is no ${name}`, launch: (t) => Tab.launch(t, executable!) }
}

/** The browsers on this machine. */
export const BROWSERS: Record<string, Browser> = {
  Chromium: browser('Chromium', findChromium(), ChromiumTab),
  Firefox: browser('Firefox', findFirefox(), Firefox)
}
