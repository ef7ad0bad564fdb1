/** All peers, in the order of the tables. */
import type { Peer } from "../model.js"
import { bare } from "./bare.js"
import { basicFtp } from "./basic-ftp.js"
import { copas } from "./copas.js"
import { curl } from "./curl.js"
import { effect } from "./effect.js"
import { epoll } from "./epoll.js"
import { go } from "./go.js"
import { httpServerPeers } from "./http-server.js"
import { httpPeers } from "./http.js"
import { lua } from "./lua.js"
import { nodemailer } from "./nodemailer.js"

/** In the order of the rows. */
export const peers: ReadonlyArray<Peer> = [
  bare,
  copas,
  effect,
  lua,
  go,
  epoll,
  basicFtp,
  curl,
  nodemailer,
  ...httpPeers,
  ...httpServerPeers
]
