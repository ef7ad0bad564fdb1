// LuaSocket's multicast sample: each of several members tells the group that it is there, and who else it has heard. It
// ends when it has heard all of them.
//
// npx tsx --conditions=copas-source scratchpad/multicast.ts [members]
import { Copas, NetAddress, Thread, Udp } from "@copas/core"
import { NodeCopas } from "@copas/node"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"

const members = Number(process.argv[2] ?? 3)
const group = "239.255.50.89"
const loopback = "127.0.0.1"

const member = (name: string, port: number) =>
  Effect.gen(function*() {
    const socket = yield* Udp.bind({
      host: "0.0.0.0",
      port,
      name,
      reuseAddress: true,
      multicastInterface: loopback,
      multicastTtl: 0
    })
    yield* socket.join(group, { interface: loopback })
    const heard = new Set<string>()
    const speaking = yield* Copas.addThread(Effect.forever(Effect.zipRight(
      socket.sendTo(name, { host: group, port }),
      Thread.pause("50 millis")
    )))
    yield* Effect.repeat(
      Effect.map(socket.receiveFrom, ({ data, from }) => {
        const who = new TextDecoder().decode(data)
        if (heard.has(who)) return
        heard.add(who)
        console.log(`${name} heard ${who} at ${NetAddress.format(from)}`)
      }),
      { until: () => heard.size === members }
    )
    // Members that joined later have not heard it yet.
    yield* Thread.pause("200 millis")
    yield* speaking.interrupt
  })

const program = Effect.gen(function*() {
  const { localAddress: { port } } = yield* Effect.scoped(Udp.bind())
  yield* Console.log(`${members} members of ${group}, port ${port}`)
  for (let index = 1; index <= members; index += 1) yield* Copas.addThread(member(`member ${index}`, port))
})

Copas.run(program).pipe(Effect.provide(NodeCopas.layer), NodeRuntime.runMain)
