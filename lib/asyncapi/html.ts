/** What the page needs to know before it has the document. */
interface Info {
  title: string
}

/**
 * The page. `prefix` is its path in the app, `url` is the URL of the request for it. All addresses in the page are relative to it, so
 * that it works behind a proxy that takes a part of the path away. The page has no script and no style of its own, as the default
 * Content-Security-Policy of @fastify/helmet asks.
 */
export function pageHtml ({ title }: Info, prefix: string, url: string): string {
  const [path] = url.split('?')
  const base = path.endsWith('/') ? './' : `./${prefix.slice(prefix.lastIndexOf('/') + 1)}/`
  return `<!doctype html>
<html lang="en" data-prefix="${prefix}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${escapeHtml(title)}</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="${base}static/page.css">
  <script type="module" src="${base}static/page.js"></script>
</head>
<body>
  <noscript>This page needs JavaScript. The document is at <a href="${base}json">${base}json</a>.</noscript>
</body>
</html>
`
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escapeHtml (text: string): string {
  return text.replace(/[&<>"]/g, (char) => ENTITIES[char])
}
