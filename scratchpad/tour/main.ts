/**
 * The tour: `npm start` starts servers on this machine, drives them with clients of this library, prints what happened,
 * and ends by itself because nothing is left to do. `npm start -- --serve` keeps the servers up until Ctrl-C.
 */
import { Copas } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Console, Duration, Effect } from "effect"
import { datagrams } from "./datagrams.js"
import { ftp } from "./ftp.js"
import { http } from "./http.js"
import { httpServer, startSite } from "./httpServer.js"
import { startServers } from "./servers.js"
import { smtp } from "./smtp.js"
import type { Services, Station } from "./station.js"
import { stations as tcpStations } from "./tcp.js"
import { tls } from "./tls.js"
import { unix } from "./unix.js"

const visit = (station: Station, number: number) =>
  Effect.gen(function*() {
    const [took, lines] = yield* Effect.timed(Effect.scoped(station.visit))
    yield* Console.log(`\n${number}. ${station.title} (${Math.round(Duration.toMillis(took))} ms)`)
    for (const line of lines) yield* Console.log(`   ${line}`)
  })

const tour = Effect.gen(function*() {
  yield* Console.log("Copas for Effect: a tour on 127.0.0.1")
  const failures: Array<string> = []
  yield* Copas.setErrorHandler((cause, { thread }) =>
    Effect.sync(() => {
      failures.push(`${thread.name}: ${Cause.pretty(cause).split("\n")[0]}`)
    })
  )
  const servers = yield* startServers({ line: 0, echo: 0 })
  let number = 0
  for (const station of [...tcpStations(servers), tls, datagrams, unix, ftp, smtp, http, httpServer]) {
    number += 1
    yield* visit(station, number)
  }
  const [line, echo] = [yield* servers.line.stats, yield* servers.echo.stats]
  const status = yield* Copas.status
  yield* Console.log(`
In all
   line server: ${line.connections} connections, ${line.handlerFailures} handlers failed
   echo server: ${echo.connections} connections, ${echo.handlerFailures} handlers failed
   dispatcher: ${status.steps} steps; told of ${failures.length} failures:`)
  for (const failure of failures) yield* Console.log(`      ${failure}`)
  yield* Copas.removeServer(servers.line)
  yield* Copas.removeServer(servers.echo)
})

const serve = Effect.gen(function*() {
  const servers = yield* startServers({ line: 20000, echo: 20001 })
  const { url } = yield* startSite(20002)
  yield* Console.log(`Three servers are up. In another terminal:
   nc 127.0.0.1 ${servers.linePort}    each line comes back in capitals
   nc 127.0.0.1 ${servers.echoPort}    everything comes back
   curl ${url}/files/                       a page; also in a browser
   curl ${url}/cgi-bin/who.sh/a/path        a CGI script
   curl -N ${url}/events                    events without an end
Ctrl-C ends them: no new connections, and five seconds for those that are open.`)
  return yield* Effect.onInterrupt(Effect.never, () =>
    Effect.gen(function*() {
      yield* Console.log("\nending …")
      const ended = yield* Copas.drain("5 seconds")
      yield* Console.log(ended ? "every connection ended by itself" : "the connections that were left have been cut")
    }))
})

const program: Effect.Effect<void, unknown, Services> = process.argv.includes("--serve")
  ? serve
  : Effect.zipRight(
    Copas.run(tour),
    Console.log("\nNothing is left to do: the dispatcher ended by itself.")
  )

program.pipe(Effect.scoped, Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
