/** The peer that uses Node's own modules alone. */
import { nodePeer } from "./node-peer.js"

export const bare = nodePeer({
  name: "bare",
  title: "bare node:net",
  programs: {
    echo: "bare",
    lines: "bare",
    storm: "bare",
    udp: "bare-udp",
    tls: "bare-tls",
    "ftp-files": "bare-ftp",
    "ftp-far": "bare-ftp",
    "smtp-messages": "bare-smtp",
    "smtp-messages-tls": "bare-smtp",
    "smtp-attachment": "bare-smtp",
    "smtp-attachment-tls": "bare-smtp"
  }
})
