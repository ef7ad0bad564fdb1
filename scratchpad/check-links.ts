// LuaSocket's check-links: reads web pages, and says which of their links are broken. It ends with 1 if any is.
//
// npx tsx --conditions=copas-source scratchpad/check-links.ts <url>...
import { Http } from "@copas/clients"
import { NodeCopas } from "@copas/node"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"

const pages = process.argv.slice(2)

/** The status of a page, and its text. Errors of the network and of the URL have no status: their message takes its place. */
const load = (url: string) =>
  Http.request(url).pipe(
    Effect.map(({ status, text }) => ({ status: String(status), text })),
    Effect.catchAll((error) => Effect.succeed({ status: error.message, text: "" }))
  )

const isGood = (status: string): boolean => /^[23]\d\d$/.test(status)

const linksOf = (page: string, text: string): ReadonlyArray<string> => {
  const links = Array.from(text.matchAll(/href\s*=\s*["']([^"'#]+)/gi), ([, href]) => href ?? "")
    .filter((href) => URL.canParse(href, page)).map((href) => new URL(href, page).href)
  return Array.from(new Set(links)).filter((link) => /^https?:/.test(link))
}

const checkPage = (page: string) =>
  Effect.gen(function*() {
    const { status, text } = yield* load(page)
    const links = isGood(status) ? linksOf(page, text) : [page]
    const results = yield* Effect.forEach(
      links,
      (link) => Effect.map(load(link), ({ status }) => ({ link, status })),
      { concurrency: 8 }
    )
    const broken = results.filter(({ status }) => !isGood(status))
    for (const { link, status } of broken) yield* Console.log(`${page}: ${link} is broken: ${status}`)
    yield* Console.log(`${page}: ${links.length} links, ${broken.length} broken`)
    return broken.length
  })

const program = Effect.map(Effect.forEach(pages, checkPage), (counts) => {
  if (counts.some((broken) => broken > 0)) process.exitCode = 1
})

program.pipe(
  Effect.provide(Layer.provide(Http.layer({ timeouts: { total: "30 seconds" } }), NodeCopas.layer)),
  NodeRuntime.runMain
)
