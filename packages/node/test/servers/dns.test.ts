/** Look-ups by dnsmasq. */
import { Dns, Net } from "@copas/core"
import { NodeDns, NodeNet } from "@copas/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { freePort } from "./freePort.js"

const records = [
  "--address=/www.copas.test/192.0.2.80",
  "--address=/www.copas.test/2001:db8::80",
  "--host-record=mail.copas.test,192.0.2.25,2001:db8::25",
  "--host-record=loop.copas.test,127.0.0.1",
  "--mx-host=copas.test,mail2.copas.test,20",
  "--mx-host=copas.test,mail.copas.test,10",
  "--txt-record=copas.test,v=spf1 -all",
  "--srv-host=_imap._tcp.copas.test,mail.copas.test,143,5,1",
  "--cname=alias.copas.test,mail.copas.test",
  "--naptr-record=copas.test,100,10,U,E2U+sip,!^.*$!sip:info@copas.test!",
  "--caa-record=copas.test,0,issue,ca.example",
  "--ptr-record=9.2.0.192.in-addr.arpa,nine.copas.test",
  "--auth-zone=zone.test,192.0.2.0/24",
  "--auth-server=ns.copas.test",
  "--auth-soa=2026112201,hostmaster.zone.test,1200,120,604800"
]

/** dnsmasq on the loopback, on a port of its own; it says nothing to the outside. */
const dnsmasq = Effect.gen(function*() {
  const port = yield* freePort
  const args = [
    "--no-daemon",
    "--keep-in-foreground",
    "--conf-file=/dev/null",
    "--no-resolv",
    "--no-hosts",
    "--bind-interfaces",
    "--listen-address=127.0.0.1",
    `--port=${port}`,
    "--local=/test/",
    "--user=",
    "--pid-file=",
    ...records
  ]
  yield* Effect.acquireRelease(
    Effect.async<() => void>((resume) => {
      const child = spawn("dnsmasq", args, { stdio: ["ignore", "ignore", "pipe"] })
      let said = ""
      child.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString()
        if (/cleared cache|read /.test(said) || said.includes("started")) {
          resume(Effect.succeed(() => child.kill("SIGKILL")))
        }
      })
      child.on("error", (error) => resume(Effect.die(error)))
      child.on("exit", (code) => resume(Effect.die(new Error(`dnsmasq ended with ${code}: ${said}`))))
    }),
    (kill) => Effect.sync(kill)
  )
  return `127.0.0.1:${port}`
})

const names = Layer.unwrapScoped(
  Effect.map(dnsmasq, (server) => NodeDns.layerWith({ servers: [server], timeout: "2 seconds", tries: 2 }))
).pipe(Layer.provide(NodeNet.layer))

describe("Dns with a name server", () => {
  it.live("S09 every type of record that dnsmasq serves", () =>
    Effect.gen(function*() {
      const addresses = (yield* Dns.lookup("www.copas.test")).map(({ host }) => host).sort()
      expect(addresses).toEqual(["192.0.2.80", "2001:db8::80"])
      expect(yield* Dns.lookup("mail.copas.test", { family: "IPv6" })).toEqual([
        { host: "2001:db8::25", family: "IPv6" }
      ])
      expect((yield* Dns.resolve("mail.copas.test", "A"))[0]?.address).toBe("192.0.2.25")
      expect((yield* Dns.resolve("mail.copas.test", "AAAA"))[0]?.address).toBe("2001:db8::25")
      expect(yield* Dns.resolve("copas.test", "MX")).toEqual([
        { exchange: "mail.copas.test", priority: 10 },
        { exchange: "mail2.copas.test", priority: 20 }
      ])
      expect(yield* Dns.resolve("copas.test", "TXT")).toEqual([["v=spf1 -all"]])
      expect(yield* Dns.resolve("_imap._tcp.copas.test", "SRV")).toEqual([
        { name: "mail.copas.test", port: 143, priority: 5, weight: 1 }
      ])
      expect(yield* Dns.resolve("alias.copas.test", "CNAME")).toEqual(["mail.copas.test"])
      expect((yield* Dns.resolve("alias.copas.test", "A"))[0]?.address).toBe("192.0.2.25")
      expect(yield* Dns.resolve("copas.test", "NAPTR")).toMatchObject([
        { order: 100, preference: 10, flags: "U", service: "E2U+sip" }
      ])
      expect(yield* Dns.resolve("copas.test", "CAA")).toEqual([
        { isCritical: false, tag: "issue", value: "ca.example" }
      ])
      expect(yield* Dns.reverse("192.0.2.9")).toEqual(["nine.copas.test"])
      expect(yield* Dns.resolve("9.2.0.192.in-addr.arpa", "PTR")).toEqual(["nine.copas.test"])
    }).pipe(Effect.provide(names)))

  it.live("S09 no such name, no such record, and a zone that it will not serve", () =>
    Effect.gen(function*() {
      expect(yield* Effect.flip(Dns.lookup("nobody.test"))).toMatchObject({ _tag: "DnsError", reason: "NotFound" })
      expect(yield* Effect.flip(Dns.resolve("mail.copas.test", "MX"))).toMatchObject({ reason: "NoData" })
      expect(yield* Effect.flip(Dns.resolve("www.elsewhere.example", "A"))).toMatchObject({ reason: "Refused" })
    }).pipe(Effect.provide(names)))

  it.live("S09 the network connects by names of this server", () =>
    Effect.gen(function*() {
      const listener = yield* Net.listen({ host: "127.0.0.1", port: 0, linger: 0 })
      const port = listener.port
      const socket = yield* Net.connect({ host: "loop.copas.test", port, linger: 0 })
      expect(socket.remoteAddress).toMatchObject({ host: "127.0.0.1", port })
    }).pipe(Effect.scoped, Effect.provide(Layer.provide(NodeNet.layerDns, names))))
})
