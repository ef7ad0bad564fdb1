/** What a client keeps of a session beside Node's own bytes, and how both become bytes that a program may keep. */
import { TlsSessionStore } from "@copas/core/TlsSessionStore"

/**
 * A session, with what Node no longer shows once the session is resumed. Node's bytes are never parsed: their format is
 * OpenSSL's up to Node 20, and has a header of Node's own from 22.23 on.
 */
export interface KeptSession {
  /** The bytes of the `session` event. */
  readonly native: Buffer
  /** The name under which it was made. */
  readonly name: string
  /** The server's certificate; `undefined` if a pre-shared key proved its identity. */
  readonly certificate: Buffer | undefined
}

export class Sessions extends TlsSessionStore<KeptSession> {}

/** At the end, because other programs may look at the beginning. */
const magic = Buffer.from("\0copas:tls:session:1")

const footerLength = 8 + magic.length

/** For `TlsConnection.session`: the name and the certificate follow Node's bytes. */
export const encodeSession = ({ certificate, name, native }: KeptSession): Buffer => {
  const host = Buffer.from(name)
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32BE(host.length, 0)
  lengths.writeUInt32BE(certificate?.length ?? 0, 4)
  return Buffer.concat([native, host, ...(certificate === undefined ? [] : [certificate]), lengths, magic])
}

/** `undefined` for bytes that `encodeSession` did not make. */
export const decodeSession = (bytes: Uint8Array): KeptSession | undefined => {
  const all = Buffer.from(bytes)
  const footer = all.length - footerLength
  if (footer < 0 || !all.subarray(footer + 8).equals(magic)) return undefined
  const certificateAt = footer - all.readUInt32BE(footer + 4)
  const nameAt = certificateAt - all.readUInt32BE(footer)
  // At least one byte is Node's own.
  if (nameAt <= 0) return undefined
  return {
    native: all.subarray(0, nameAt),
    name: all.toString("utf8", nameAt, certificateAt),
    certificate: certificateAt === footer ? undefined : all.subarray(certificateAt, footer)
  }
}
