// @ts-check
// The state of the connection, as the page shows it.

import { byId } from './dom.js'

/**
 * @param {'connecting' | 'connected' | 'lost'} state
 * @param {string} text
 */
export function showStatus (state, text) {
  const status = byId('status')
  status.dataset.state = state
  status.textContent = text
}
