// Runs the suites in Node, Deno or Bun: `node program.mjs <client> <suites> <url>`, with the URLs of the modules and of the host.
const [client, suites, url] = process.argv.slice(2)
const { run } = await import(suites)
await run(await import(client), url)
