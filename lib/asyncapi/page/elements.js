/**
 * Creates an element. `attributes`: `on` has listeners, `hidden` and other booleans are properties, anything else is an attribute;
 * undefined is left out. Strings among `children` become texts, never HTML.
 */
export function element (name, attributes = {}, ...children) {
  const created = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'on') for (const [event, listener] of Object.entries(value)) created.addEventListener(event, listener)
    else if (typeof value === 'boolean') created[key] = value
    else if (value !== undefined) created.setAttribute(key, value)
  }
  created.append(...children.flat().filter((child) => child !== undefined && child !== ''))
  return created
}

/** A heading with what stands below it; undefined where there is nothing. */
export function part (title, ...children) {
  const below = children.flat().filter((child) => child !== undefined)
  return below.length === 0 ? undefined : element('div', { class: 'part' }, element('h3', {}, title), ...below)
}

/** A list of names, each with what it means; undefined where there is none. */
export function list (entries) {
  if (entries.length === 0) return undefined
  return element('dl', {}, entries.flatMap(([name, ...meaning]) => [
    element('dt', {}, element('code', {}, name)),
    element('dd', {}, ...meaning)
  ]))
}

/** A text of several lines that can be scrolled with the keyboard. */
export function code (text, label) {
  return element('pre', { tabindex: '0', role: 'group', 'aria-label': label }, element('code', {}, text))
}

/** A value as JSON for people. */
export function json (value) {
  return JSON.stringify(value, null, 2)
}
