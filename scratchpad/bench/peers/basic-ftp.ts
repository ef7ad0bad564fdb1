/** The peer that uses basic-ftp. */
import { nodePeer } from "./node-peer.js"

/** The best-known FTP client for Node. */
export const basicFtp = nodePeer({
  name: "basic-ftp",
  title: "basic-ftp",
  module: "basic-ftp",
  programs: {
    "ftp-download": "basic-ftp",
    "ftp-upload": "basic-ftp",
    "ftp-files": "basic-ftp",
    "ftp-far": "basic-ftp",
    "ftp-tls-download": "basic-ftp",
    "ftp-tls-stream": "basic-ftp",
    "ftp-tls-upload": "basic-ftp",
    "ftp-tls-files": "basic-ftp"
  }
})
