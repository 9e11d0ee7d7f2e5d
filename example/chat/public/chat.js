// The script of the chat page. It inserts messages of other people as text, never as HTML.

const FIRST_DELAY = 500 // in ms, like all times in this file
const LONGEST_DELAY = 10_000
const TYPING_PAUSE = 3_000

const byId = (id) => document.getElementById(id)
const time = new Intl.DateTimeFormat([], { hour: '2-digit', minute: '2-digit' })
const list = new Intl.ListFormat('en')

const room = location.pathname.match(/^\/room\/([\w-]{1,32})$/)?.[1]
const name = tidy(new URLSearchParams(location.search).get('name') ?? '')

if (room !== undefined && name !== '' && name.length <= 32) enter()
else ask()

function tidy (name) {
  return name.trim().replace(/\s+/g, ' ')
}

/** Creates an element. `content` is text, or elements to put into it. */
function element (tag, className, ...content) {
  const node = document.createElement(tag)
  node.className = className
  node.append(...content)
  return node
}

function ask () {
  byId('door').hidden = false
  byId('name').value = name
  byId('room').value = room ?? 'lobby'
  byId('name').focus()
  byId('join').addEventListener('submit', (event) => {
    event.preventDefault()
    location.assign(`/room/${byId('room').value}?${new URLSearchParams({ name: tidy(byId('name').value) })}`)
  })
}

function enter () {
  const log = byId('log') // the element that scrolls
  const messages = byId('messages')
  const text = byId('text')
  /** Messages of this page that the server has not confirmed yet, by their ids. */
  const unsent = new Map()
  const typists = new Set()
  const connection = connect(receive, forgetTypists)

  document.title = `${room} · Chat`
  document.querySelector('h1').textContent = `# ${room}`
  byId('leave').hidden = false
  byId('chat').hidden = false
  text.focus()

  function receive (message) {
    switch (message.type) {
      case 'welcome':
      case 'resync': // its history may have messages that the page has missed
        log.setAttribute('aria-busy', 'true') // keeps screen readers from reading out the whole history
        message.history.forEach(show)
        log.removeAttribute('aria-busy')
        showPeople(message.people)
        for (const message of unsent.values()) connection.send(message)
        break
      case 'message':
        typists.delete(message.name)
        show(message)
        break
      case 'typing':
        if (message.typing) typists.add(message.name)
        else typists.delete(message.name)
        break
      case 'joined':
      case 'left':
        typists.delete(message.name)
        showPeople(message.people)
        put(element('li', 'notice', `${message.name} ${message.type}`))
    }
    showTypists()
  }

  /** Without a connection, the page does not hear that someone has stopped typing. */
  function forgetTypists () {
    typists.clear()
    showTypists()
  }

  // Writing and sending

  const compose = byId('compose')
  let typingTimer

  compose.addEventListener('submit', (event) => {
    event.preventDefault()
    const message = { type: 'message', id: randomId(), text: text.value.trim() }
    text.value = ''
    text.focus()
    clearTimeout(typingTimer)
    typingTimer = undefined
    if (message.text === '') return
    unsent.set(message.id, message)
    show({ ...message, name })
    connection.send(message)
  })

  text.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    compose.requestSubmit()
  })

  text.addEventListener('input', () => {
    if (typingTimer === undefined) connection.send({ type: 'typing', typing: true })
    clearTimeout(typingTimer)
    typingTimer = setTimeout(stopTyping, text.value === '' ? 0 : TYPING_PAUSE)
  })

  function stopTyping () {
    typingTimer = undefined
    connection.send({ type: 'typing', typing: false })
  }

  // Showing

  /** Shows a message once. A message with a time has arrived, and replaces the same message that was not sent yet. */
  function show ({ id, name: author, text, at }) {
    const shown = messages.querySelector(`[data-id="${id}"]`)
    if (shown !== null && !shown.classList.contains('unsent')) return
    const arrived = at !== undefined
    const item = element('li', `message ${author === name ? 'mine' : 'theirs'} ${arrived ? '' : 'unsent'}`,
      element('span', 'author', author),
      element('p', 'text', text),
      arrived ? element('time', '', time.format(at)) : element('span', 'state', 'Not sent yet'))
    item.dataset.id = id
    item.dataset.author = author
    if (arrived) item.dataset.at = at
    item.style.setProperty('--hue', hue(author))
    if (arrived) unsent.delete(id)
    shown?.remove()
    put(item, !arrived)
  }

  /** Puts an item into the log: before messages with a later time, and before unsent messages unless it is unsent itself. */
  function put (item, isUnsent = false) {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 64
    messages.insertBefore(item, isUnsent ? null : messages.querySelector('.unsent'))
    while (Number(item.previousElementSibling?.dataset.at) > Number(item.dataset.at)) item.previousElementSibling.before(item)
    for (const changed of [item, item.nextElementSibling]) changed?.classList.toggle('follows', isSameAuthor(changed, changed.previousElementSibling))
    if (isAtEnd || isUnsent) log.scrollTop = log.scrollHeight
  }

  function isSameAuthor ({ dataset: { author } }, before) {
    return author !== undefined && author === before?.dataset.author
  }

  function showPeople (people) {
    byId('people').replaceChildren(...people.map((person) => {
      const item = element('li', '', element('span', 'person', person), person === name ? ' (you)' : '')
      item.style.setProperty('--hue', hue(person))
      return item
    }))
  }

  function showTypists () {
    byId('typing').textContent = typists.size === 0
      ? ''
      : `${list.format(typists)} ${typists.size === 1 ? 'is' : 'are'} typing…`
  }
}

/**
 * Opens a connection that reconnects by itself. The delay doubles with each failure, and is partly random, so that not all
 * pages reconnect at once.
 */
function connect (receive, onLost) {
  const url = `${location.origin.replace('http', 'ws')}/chat/${room}?${new URLSearchParams({ name })}`
  let socket
  let failures = 0
  let timer

  function open () {
    clearTimeout(timer)
    socket = new WebSocket(url)
    socket.addEventListener('message', onMessage)
    socket.addEventListener('close', onClose)
  }

  function onMessage ({ data }) {
    const message = JSON.parse(data)
    if (message.type === 'welcome') {
      failures = 0
      setStatus('connected', 'Connected')
    }
    receive(message)
  }

  function onClose ({ code }) {
    onLost()
    if (code === 1008) return setStatus('lost', 'The server did not take a message. Reload the page to come back.')
    setStatus('lost', 'Reconnecting…')
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures++)
    timer = setTimeout(open, delay * (0.5 + Math.random() / 2))
  }

  function setStatus (state, text) {
    byId('status').dataset.state = state
    byId('status').textContent = text
  }

  window.addEventListener('online', () => {
    if (socket.readyState === WebSocket.CLOSED) open()
  })
  setStatus('connecting', 'Connecting…')
  open()

  return {
    /** Sends if the connection is open. The caller keeps a message that must arrive until the server has sent it back. */
    send (message) {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message))
    }
  }
}

// `crypto.randomUUID` exists only on https and localhost. A phone in the same network uses neither.
function randomId () {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-')
}

/** The hue for a name, in degrees. A name has the same colour on every page. */
function hue (name) {
  let hash = 7
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) % 360
  return hash
}
