/** Where the servers that are started for clients keep their files, and how it is seen that they answer. */
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import { setTimeout as sleep } from "node:timers/promises"

/** For files that a disk has no part in. */
export const memory = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir()

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })

const isAnswered = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ host: "127.0.0.1", port })
    socket.on("connect", () => {
      socket.destroy()
      resolve(true)
    })
    socket.on("error", () => resolve(false))
  })

/** Waits until a server that was started answers. */
export const answers = async (port: number, hasEnded: () => boolean, why: () => string): Promise<void> => {
  for (let patience = 500; !(await isAnswered(port)); patience--) {
    if (patience === 0 || hasEnded()) throw new Error(why())
    await sleep(10)
  }
}
