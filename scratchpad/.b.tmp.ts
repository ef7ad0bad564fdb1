import { bundle } from "./bench/peers/node-peer.js"
await bundle(new URL("./.copas-udp.tmp.ts", import.meta.url), process.argv[2] + "/copas-udp.js")
await bundle(new URL("./bench/servers/bare-udp.ts", import.meta.url), process.argv[2] + "/bare-udp.js")
