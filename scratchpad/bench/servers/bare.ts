// The limit inside Node: node:net and nothing else, each mode as one would write it by hand.
import * as net from "node:net"

const echo = (socket: net.Socket) => {
  socket.on("data", (chunk) => {
    if (!socket.write(chunk)) socket.pause()
  })
  socket.on("drain", () => socket.resume())
}

/** One write a line, as it comes to mind: what joining the writes of a turn gains is for the peers to show. */
const lines = (socket: net.Socket) => {
  let rest = ""
  socket.setEncoding("latin1")
  socket.on("data", (chunk: string) => {
    const text = rest + chunk
    let start = 0
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      socket.write(text.slice(start, end) + "\n", "latin1")
      start = end + 1
    }
    rest = text.slice(start)
  })
}

const storm = (socket: net.Socket) => {
  let rest = ""
  socket.setEncoding("latin1")
  socket.on("data", (chunk: string) => {
    rest += chunk
    const end = rest.indexOf("\n")
    if (end >= 0) socket.end(rest.slice(0, end) + "\n", "latin1")
  })
}

const mode = process.argv[2]
const handler = mode === "lines" ? lines : mode === "storm" ? storm : echo

const server = net.createServer({ noDelay: true }, (socket) => {
  // The load resets its connections when it has done.
  socket.on("error", () => {})
  handler(socket)
})
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`READY ${(server.address() as net.AddressInfo).port}`)
})
