/** A proxy that makes an FTP server distant. */
import * as net from "node:net"

/**
 * An FTP server seen from afar: a proxy that hands everything on some time later, data connections too. Loopback has no
 * distance, and a distance is what a pool of sessions is for.
 */

const [serverPort, millis] = process.argv.slice(2).map(Number) as [number, number]

/** Hands `from` on to `to`, each chunk `millis` later; `change` may put another one in its place. */
const later = (
  from: net.Socket,
  to: net.Socket,
  change: (chunk: Buffer) => Buffer | Promise<Buffer> = (chunk) => chunk
): void => {
  let last: Promise<unknown> = Promise.resolve()
  const inOrder = (act: () => unknown): void => {
    const due = new Promise((resolve) => setTimeout(resolve, millis))
    last = Promise.all([last, due]).then(act)
  }
  from.on("data", (chunk: Buffer) => {
    const changed = change(chunk)
    inOrder(async () => to.write(await changed))
  })
  from.on("end", () => inOrder(() => to.end()))
  from.on("error", () => to.destroy())
  from.on("close", () => inOrder(() => to.destroySoon()))
}

const join = (client: net.Socket, port: number, change?: (chunk: Buffer) => Promise<Buffer> | Buffer): void => {
  const server = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
  client.setNoDelay(true)
  later(client, server)
  later(server, client, change)
}

/** A port of our own for a data connection to `port`, for one client. */
const relay = (port: number): Promise<number> =>
  new Promise((resolve) => {
    const listener = net.createServer({ allowHalfOpen: true }, (client) => {
      listener.close()
      join(client, port)
    })
    listener.listen(0, "127.0.0.1", () => resolve((listener.address() as net.AddressInfo).port))
  })

const extended = /\(\|\|\|(\d+)\|\)/

const control = net.createServer({ allowHalfOpen: true }, (client) =>
  join(client, serverPort, async (chunk) => {
    const text = chunk.toString("latin1")
    const [, port] = extended.exec(text) ?? []
    return port === undefined
      ? chunk
      : Buffer.from(text.replace(extended, `(|||${await relay(Number(port))}|)`), "latin1")
  }))

control.listen(0, "127.0.0.1", () => console.log(`READY ${(control.address() as net.AddressInfo).port}`))
