import { channelView } from './channel.js'
import { element } from './elements.js'

const BASE = new URL('..', import.meta.url)

async function show () {
  const response = await fetch(new URL('json', BASE))
  if (!response.ok) throw new Error(`The document was answered with ${response.status}.`)
  const api = await response.json()
  const { title, version, description } = api.info
  const channels = Object.entries(api.channels)
  document.body.append(
    element('header', {},
      element('h1', {}, title, ' ', element('span', { class: 'version' }, version)),
      description === undefined ? '' : element('p', {}, description),
      element('p', {}, `AsyncAPI ${api.asyncapi}: `, element('a', { href: new URL('json', BASE) }, 'JSON'), ', ', element('a', { href: new URL('yaml', BASE) }, 'YAML'))),
    element('nav', { 'aria-label': 'Channels' }, element('ul', {}, channels.map(([name, { address }]) =>
      element('li', {}, element('a', { href: `#${name}` }, address))))),
    element('main', {}, channels.length === 0 ? element('p', {}, 'This app has no WebSocket route.') : channels.map(([name, channel]) => channelView(name, channel, api))))
  document.getElementById(location.hash.slice(1))?.scrollIntoView()
}

show().catch((error) => document.body.append(element('main', {}, element('p', { role: 'alert' }, error.message))))
