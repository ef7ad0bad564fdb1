// The limit inside Node for datagrams: node:dgram and nothing else.
import * as dgram from "node:dgram"

const socket = dgram.createSocket("udp4")
socket.on("message", (message, from) => socket.send(message, from.port, from.address))
socket.bind(0, "127.0.0.1", () => console.log(`READY ${socket.address().port}`))
