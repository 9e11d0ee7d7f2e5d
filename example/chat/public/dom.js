// @ts-check
// Elements of the page. Texts of other people become text, never HTML.

/**
 * The element with this id.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [Type]
 * @returns {T}
 */
export function byId (id, Type = /** @type {any} */ (HTMLElement)) {
  const found = document.getElementById(id)
  if (found instanceof Type) return found
  throw new TypeError(`the page has no ${Type.name} #${id}`)
}

/**
 * Creates an element. `content` is text, or elements to put into it.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {(string | Node)[]} content
 */
export function element (tag, className, ...content) {
  const created = document.createElement(tag)
  created.className = className
  created.append(...content)
  return created
}

/**
 * Gives an element the colour of a name. A name has the same colour on every page.
 *
 * @param {HTMLElement} element
 * @param {string} name
 */
export function paint (element, name) {
  let hue = 7
  for (const char of name) hue = (hue * 31 + Number(char.codePointAt(0))) % 360 // in degrees
  element.style.setProperty('--hue', String(hue))
}
