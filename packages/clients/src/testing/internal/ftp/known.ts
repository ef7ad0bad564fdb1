/**
 * The manners of servers that are in use, as they were seen, except what a user sets there.
 */
import type { Quirks } from "../../FtpServer.js"

export const vsftpd: Quirks = {
  unknown: ["MLSD", "MLST", "MFMT", "HASH", "PRET"],
  hidesDotFiles: true,
  listMissing: "empty",
  listForbidden: "itself",
  nlstWithDirectory: true,
  undoublesIac: false,
  repeatsNames: false,
  status: "vsFTPd 3.0.3 - secure, fast, stable",
  endsAtBrokenHandshake: true
}

export const proftpd: Quirks = {
  sizeInAscii: true,
  hidesDotFiles: true,
  nlstMissing: 450
}

export const pureftpd: Quirks = {
  listMissing: { LIST: "empty", MLSD: 550, NLST: 550 },
  listForbidden: { LIST: "empty", MLSD: 550, NLST: 550 },
  undoublesIac: false,
  repeatsNames: false,
  status: "https://www.pureftpd.org/",
  endsAtBrokenHandshake: true
}

export const pyftpdlib: Quirks = {
  listMissing: { LIST: 550, MLSD: 501, NLST: 550 },
  listOptions: false,
  undoublesIac: false
}

export const iis: Quirks = {
  unknown: ["MLSD", "MLST", "MFMT", "PRET"],
  list: "dos"
}

export const drftpd: Quirks = {
  pret: true,
  unknown: ["EPSV", "EPRT", "MFMT"]
}
