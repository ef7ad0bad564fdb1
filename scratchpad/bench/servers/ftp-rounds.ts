/** The arguments of the rounds of FTP. */

const [mode, port, size, local, big, ca] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string | undefined
]

/** `round` is what is done, with or without TLS; `ca` is the certificate to trust, where there is TLS. */
export const told = {
  mode,
  round: mode.replace("ftp-tls-", "ftp-"),
  port: Number(port),
  size: Number(size),
  local,
  big,
  ca
}
