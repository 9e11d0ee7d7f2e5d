// @ts-check
// The form that asks for a name and a room.

import { byId } from './dom.js'

/**
 * Shows the form, with what is known already.
 *
 * @param {string | undefined} room
 * @param {string} name
 */
export function ask (room, name) {
  const nameInput = byId('name', HTMLInputElement)
  const roomInput = byId('room', HTMLInputElement)
  byId('door').hidden = false
  nameInput.value = name
  roomInput.value = room ?? 'lobby'
  nameInput.focus()
  byId('join').addEventListener('submit', (event) => {
    event.preventDefault()
    location.assign(`/room/${roomInput.value}?${new URLSearchParams({ name: tidy(nameInput.value) })}`)
  })
}

/** @param {string} name */
export function tidy (name) {
  return name.trim().replace(/\s+/g, ' ')
}
