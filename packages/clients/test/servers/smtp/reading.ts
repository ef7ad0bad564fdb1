/** What arrived, as Python's `email`, dkimpy and openssl read it: tools that share no author with ours. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"

// The Debian packages are those of Debian's Python.
export const python = fs.existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3"

const maxBuffer = 256 << 20

const run = (program: string, input: Uint8Array, ...args: ReadonlyArray<string>): unknown =>
  JSON.parse(execFileSync(python, ["-c", program, ...args], { input, encoding: "utf8", maxBuffer }))

export interface Part {
  readonly type: string
  readonly filename: string | null
  readonly contentId: string | null
  readonly size: number
  readonly sha256: string
  /** Of text parts. */
  readonly text: string | null
}

export interface Mail {
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly cc: string
  readonly bcc: string
  readonly messageId: string
  /** The types of the tree, each before its children. */
  readonly tree: ReadonlyArray<string>
  readonly parts: ReadonlyArray<Part>
  /** What the parser found wrong. */
  readonly defects: ReadonlyArray<string>
}

const parse = `
import email, email.policy, hashlib, json, sys
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts, defects = [], [repr(each) for each in message.defects]
for part in message.walk():
    defects += [repr(each) for each in part.defects]
    if part.is_multipart(): continue
    content = part.get_payload(decode=True)
    parts.append({
        "type": part.get_content_type(),
        "filename": part.get_filename(),
        "contentId": part["Content-ID"] and str(part["Content-ID"]),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": part.get_content() if part.get_content_maintype() == "text" else None
    })
field = lambda name: str(message[name] or "")
json.dump({
    "subject": field("subject"), "from": field("from"), "to": field("to"), "cc": field("cc"), "bcc": field("bcc"),
    "messageId": field("message-id"), "tree": [part.get_content_type() for part in message.walk()],
    "parts": parts, "defects": defects
}, sys.stdout)
`

export const read = (bytes: Uint8Array): Mail => run(parse, bytes) as Mail

const verify = `
import dkim, json, sys
message, records = sys.stdin.buffer.read(), json.loads(sys.argv[1])
look = lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None
signatures = message.count(b"DKIM-Signature:")
json.dump([dkim.DKIM(message).verify(index, dnsfunc=look) for index in range(signatures)], sys.stdout)
`

/** Whether each DKIM signature of a message is right, by the keys that stand in the "DNS" of `records`. */
export const dkim = (bytes: Uint8Array, records: Readonly<Record<string, string>>): ReadonlyArray<boolean> =>
  run(verify, bytes, JSON.stringify(records)) as ReadonlyArray<boolean>

/** A part that openssl has signed (RFC 8551), for `Message.rawPart`. */
export const smimeSigned = (part: string, cert: string, key: string): string =>
  execFileSync("openssl", ["smime", "-sign", "-signer", cert, "-inkey", key], { input: part, encoding: "latin1" })
    .replace(/^MIME-Version:.*\r?\n/m, "")

/** What a message has signed; fails where the signature is wrong. */
export const smimeVerified = (bytes: Uint8Array, ca: string): string =>
  execFileSync("openssl", ["smime", "-verify", "-CAfile", ca], { input: bytes, encoding: "latin1", stdio: "pipe" })
