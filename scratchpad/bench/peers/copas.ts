/** The peer that uses this library. */
import { nodePeer } from "./node-peer.js"

export const copas = nodePeer({
  name: "copas",
  title: "**Copas for Effect**",
  programs: {
    echo: "copas",
    lines: "copas",
    storm: "copas",
    udp: "copas-udp",
    tls: "copas-tls",
    "thread-start": "copas-threads",
    "thread-join": "copas-threads",
    sleepers: "copas-threads",
    timeout: "copas-threads",
    queues: "copas-threads",
    "ftp-download": "copas-ftp",
    "ftp-upload": "copas-ftp",
    "ftp-files": "copas-ftp",
    "ftp-far": "copas-ftp",
    "ftp-tls-download": "copas-ftp",
    "ftp-tls-stream": "copas-ftp",
    "ftp-tls-upload": "copas-ftp",
    "ftp-tls-files": "copas-ftp",
    "smtp-messages": "copas-smtp",
    "smtp-messages-tls": "copas-smtp",
    "smtp-attachment": "copas-smtp",
    "smtp-attachment-tls": "copas-smtp"
  }
})
