/** The peer that uses curl, for FTP. */
import { works } from "./installed.js"
import { nodePeer } from "./node-peer.js"

const program = nodePeer({
  name: "curl",
  title: "curl",
  programs: { "ftp-download": "curl-ftp", "ftp-upload": "curl-ftp" }
})

export const curl = { ...program, missing: () => works("curl", "--version") ? undefined : "apt-get install curl" }
