/** Starts Postfix, Exim and aiosmtpd with the settings that the tests need. */
import { Effect, Schedule, type Scope } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { freePort } from "../../../../node/test/servers/freePort.js"
import { certificate, directory, own, owner, start } from "../daemon.js"
import { python } from "./reading.js"

/**
 * A server for `example.test`: everyone there has the mailbox `mail`, except `unknown` (550 5.1.1) and `later` (450
 * 4.2.1). The sender `refused@example.test` is refused (5.1.8). The user is `user@example.test`, the password `secret`.
 */
export interface Daemon {
  readonly host: string
  /** In clear, with STARTTLS. */
  readonly port: number
  /** TLS from the first byte. */
  readonly tlsPort: number
  readonly ca: string
  /** The messages that have arrived, the oldest first. */
  readonly messages: () => ReadonlyArray<Buffer>
  readonly log: () => string
}

/** One that can be stopped and started at the same ports; what it accepted before is delivered. */
export interface Restartable extends Daemon {
  readonly restart: Effect.Effect<void, never, Scope.Scope>
  /** Waits until it has delivered all that it has accepted. */
  readonly delivered: Effect.Effect<void>
}

/** Of a maildir. A message is renamed into `new` when it is whole. */
const maildir = (where: string) => (): ReadonlyArray<Buffer> => {
  const folder = path.join(where, "new")
  if (!fs.existsSync(folder)) return []
  return fs.readdirSync(folder)
    .map((name) => path.join(folder, name))
    .map((file) => ({ file, at: fs.statSync(file).mtimeMs }))
    .sort((a, b) => a.at - b.at)
    .map(({ file }) => fs.readFileSync(file))
}

const idOf = (flag: string, name: string): string => execFileSync("id", [flag, name], { encoding: "utf8" }).trim()

const write = (file: string, lines: ReadonlyArray<string>, mode = 0o644): void =>
  fs.writeFileSync(file, lines.join("\n") + "\n", { mode })

const readLog = (file: string) => (): string => fs.existsSync(file) ? fs.readFileSync(file, "utf8") : ""

/** Postfix, with SASL by Cyrus: PLAIN, LOGIN, CRAM-MD5, SCRAM. `extra` are lines of main.cf. */
export const postfix = (extra: ReadonlyArray<string> = []): Effect.Effect<Restartable, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const port = yield* freePort
    const tlsPort = yield* freePort
    const { cert, key } = certificate(where)
    const [config, queue, data, mail] = ["config", "queue", "data", "mail"].map((name) => {
      const made = path.join(where, name)
      fs.mkdirSync(made)
      return made
    }) as [string, string, string, string]
    own(mail)
    fs.chownSync(data, Number(idOf("-u", "postfix")), Number(idOf("-g", "postfix")))
    const passwords = path.join(where, "sasldb")
    for (const user of ["user"]) {
      execFileSync("saslpasswd2", ["-p", "-c", "-f", passwords, "-u", "example.test", user], { input: "secret" })
    }
    fs.chownSync(passwords, Number(idOf("-u", "postfix")), Number(idOf("-g", "postfix")))
    // Debian's Postfix looks into this folder of its configuration, whatever cyrus_sasl_config_path says.
    fs.mkdirSync(path.join(config, "sasl"))
    write(path.join(config, "sasl", "smtpd.conf"), [
      "pwcheck_method: auxprop",
      "auxprop_plugin: sasldb",
      `sasldb_path: ${passwords}`,
      "mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
    ])
    const log = path.join(where, "log")
    write(path.join(config, "main.cf"), [
      "compatibility_level = 3.6",
      `queue_directory = ${queue}`,
      `data_directory = ${data}`,
      `maillog_file = ${log}`,
      `maillog_file_prefixes = ${where}`,
      "inet_interfaces = 127.0.0.1",
      "inet_protocols = ipv4",
      "myhostname = postfix.example.test",
      "mydestination =",
      "mynetworks = 127.0.0.0/8",
      "alias_maps =",
      "local_recipient_maps =",
      "virtual_mailbox_domains = example.test",
      "virtual_mailbox_maps = static:inbox/",
      `virtual_mailbox_base = ${mail}`,
      `virtual_uid_maps = static:${idOf("-u", owner)}`,
      `virtual_gid_maps = static:${idOf("-g", owner)}`,
      "virtual_minimum_uid = 1",
      "virtual_mailbox_limit = 0",
      "message_size_limit = 209715200",
      "smtpd_delay_reject = yes",
      "smtpd_sender_restrictions = check_sender_access inline:{{refused@example.test = 553 5.1.8 refused sender}}",
      "smtpd_recipient_restrictions = check_recipient_access inline:{{unknown@example.test = 550 5.1.1 no such user}, {later@example.test = 450 4.2.1 later}}, permit_mynetworks, reject",
      "smtputf8_enable = yes",
      `smtpd_tls_cert_file = ${cert}`,
      `smtpd_tls_key_file = ${key}`,
      "smtpd_tls_security_level = may",
      "smtpd_tls_auth_only = no",
      "smtpd_sasl_auth_enable = yes",
      "smtpd_sasl_local_domain = example.test",
      "smtpd_client_connection_count_limit = 0",
      ...extra
    ])
    write(path.join(config, "master.cf"), [
      `127.0.0.1:${port} inet n - n - - smtpd`,
      `127.0.0.1:${tlsPort} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes`,
      "pickup unix n - n 60 1 pickup",
      "cleanup unix n - n - 0 cleanup",
      "qmgr unix n - n 300 1 qmgr",
      "tlsmgr unix - - n 1000? 1 tlsmgr",
      "rewrite unix - - n - - trivial-rewrite",
      "bounce unix - - n - 0 bounce",
      "defer unix - - n - 0 bounce",
      "trace unix - - n - 0 bounce",
      "verify unix - - n - 1 verify",
      "flush unix n - n 1000? 0 flush",
      "proxymap unix - - n - - proxymap",
      "smtp unix - - n - - smtp",
      "showq unix n - n - - showq",
      "error unix - - n - - error",
      "retry unix - - n - - error",
      "discard unix - - n - - discard",
      "local unix - n n - - local",
      "virtual unix - n n - - virtual",
      "anvil unix - - n - 1 anvil",
      "scache unix - - n - 1 scache",
      "postlog unix-dgram n - n - 1 postlogd"
    ])
    // Its master has a process group of its own. Stopping what has ended already fails, and that is right.
    const stop = Effect.sync(() => spawnSync("postfix", ["-c", config, "stop"], { stdio: "ignore" }))
    const begin = Effect.zipRight(start("postfix", ["-c", config, "start-fg"], port), Effect.addFinalizer(() => stop))
    yield* begin
    return {
      restart: Effect.zipRight(stop, begin),
      delivered: Effect.repeat(
        Effect.sync(() => spawnSync("postqueue", ["-c", config, "-p"], { encoding: "utf8" }).stdout),
        { until: (queue) => queue.includes("is empty"), schedule: Schedule.spaced("50 millis") }
      ),
      host: "127.0.0.1",
      port,
      tlsPort,
      ca: cert,
      messages: maildir(path.join(mail, "inbox")),
      log: readLog(log)
    }
  })

const eximUser = "Debian-exim"

/** Exim with GnuTLS, CHUNKING and PRDR; it refuses at RCPT, and a sender at MAIL. */
export const exim: Effect.Effect<Daemon, never, Scope.Scope> = Effect.gen(function*() {
  const where = yield* directory
  const port = yield* freePort
  const tlsPort = yield* freePort
  const { cert, key } = certificate(where)
  const [spool, mail] = ["spool", "mail"].map((name) => {
    const made = path.join(where, name)
    fs.mkdirSync(made)
    return made
  }) as [string, string]
  // With a configuration of its own it has no rights but its user's.
  const [uid, gid] = ["-u", "-g"].map((flag) => Number(idOf(flag, eximUser)))
  for (const each of [spool, mail]) fs.chownSync(each, uid!, gid!)
  fs.chmodSync(key, 0o644)
  const config = path.join(where, "exim.conf")
  write(config, [
    "primary_hostname = exim.example.test",
    "keep_environment =",
    `exim_path = ${execFileSync("sh", ["-c", "command -v exim4"], { encoding: "utf8" }).trim()}`,
    `spool_directory = ${spool}`,
    `log_file_path = ${spool}/%slog`,
    "local_interfaces = 127.0.0.1",
    `daemon_smtp_ports = ${port} : ${tlsPort}`,
    `tls_on_connect_ports = ${tlsPort}`,
    "tls_advertise_hosts = *",
    `tls_certificate = ${cert}`,
    `tls_privatekey = ${key}`,
    "smtputf8_advertise_hosts = *",
    "chunking_advertise_hosts = *",
    "dsn_advertise_hosts = *",
    "prdr_enable = true",
    "accept_8bitmime = true",
    "message_size_limit = 200M",
    "acl_smtp_mail = acl_mail",
    "acl_smtp_rcpt = acl_rcpt",
    "queue_only = false",
    "host_lookup =",
    "rfc1413_query_timeout = 0s",
    "begin acl",
    "acl_mail:",
    "  deny",
    "    senders = refused@example.test",
    "    message = 553 5.1.8 refused sender",
    "  accept",
    "acl_rcpt:",
    "  deny",
    "    local_parts = unknown",
    "    message = 550 5.1.1 no such user",
    "  defer",
    "    local_parts = later",
    "    message = 450 4.2.1 later",
    "  accept",
    "begin routers",
    "all:",
    "  driver = accept",
    "  transport = inbox",
    "begin transports",
    "inbox:",
    "  driver = appendfile",
    `  directory = ${mail}/inbox`,
    "  maildir_format",
    "  create_directory",
    "  delivery_date_add = false",
    `  user = ${eximUser}`,
    "begin authenticators",
    "plain:",
    "  driver = plaintext",
    "  public_name = PLAIN",
    "  server_prompts = :",
    "  server_condition = ${if and{{eq{$auth2}{user@example.test}}{eq{$auth3}{secret}}}}",
    "login:",
    "  driver = plaintext",
    "  public_name = LOGIN",
    "  server_prompts = Username:: : Password::",
    "  server_condition = ${if and{{eq{$auth1}{user@example.test}}{eq{$auth2}{secret}}}}",
    "cram:",
    "  driver = cram_md5",
    "  public_name = CRAM-MD5",
    "  server_secret = ${if eq{$auth1}{user@example.test}{secret}fail}"
  ])
  yield* start("exim4", ["-C", config, "-bdf"], port)
  return {
    host: "127.0.0.1",
    port,
    tlsPort,
    ca: cert,
    messages: maildir(path.join(mail, "inbox")),
    log: readLog(path.join(spool, "mainlog"))
  }
})

/** What aiosmtpd runs: SMTP, or LMTP, with XOAUTH2; a connection drops at DATA for the sender `drop@example.test`. */
const program = `
import asyncio, os, ssl, sys, tempfile
from aiosmtpd.smtp import SMTP, AuthResult
from aiosmtpd.lmtp import LMTP

where, protocol, port, tls_port, cert, key = sys.argv[1:]
inbox = os.path.join(where, "new")

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"): return "550 5.1.1 no such user"
        if address.startswith("later@"): return "450 4.2.1 later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"
    async def handle_MAIL(self, server, session, envelope, address, options):
        if address == "refused@example.test": return "553 5.1.8 refused sender"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        if envelope.mail_from == "drop@example.test":
            server.transport.abort()
            return "421 gone"
        handle, name = tempfile.mkstemp(dir=where)
        with os.fdopen(handle, "wb") as file: file.write(envelope.original_content)
        os.rename(name, os.path.join(inbox, os.path.basename(name)))
        if protocol == "lmtp":
            return "\\r\\n".join("250 OK" if not a.startswith("full@") else "452 4.2.2 full" for a in envelope.rcpt_tos)
        return "250 OK"

def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"user@example.test" and data.password == b"secret"
    # Not handled: the server itself answers a refusal.
    return AuthResult(success=good, handled=good)

class Server(LMTP if protocol == "lmtp" else SMTP):
    async def auth_XOAUTH2(self, _, args):
        import base64
        said = base64.b64decode(args[1]) if len(args) > 1 else await self.challenge_auth(b"", encode_to_b64=False)
        if said == b"user=user@example.test\\x01auth=Bearer token\\x01\\x01": return AuthResult(success=True)
        await self.challenge_auth(b'{"status":"401","schemes":"bearer","scope":"mail"}')
        return AuthResult(success=False, handled=False)

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    loop = asyncio.get_running_loop()
    make = lambda tls: lambda: Server(Handler(), enable_SMTPUTF8=True, hostname="aiosmtpd.example.test", data_size_limit=209715200,
        tls_context=None if tls else context, authenticator=authenticate, auth_required=False, auth_require_tls=False)
    await loop.create_server(make(False), "127.0.0.1", int(port))
    await loop.create_server(make(True), "127.0.0.1", int(tls_port), ssl=context)
    await asyncio.Event().wait()

asyncio.run(main())
`

/** aiosmtpd: no PIPELINING, no CHUNKING, no DSN. */
export const aiosmtpd = (protocol: "smtp" | "lmtp"): Effect.Effect<Daemon, never, Scope.Scope> =>
  Effect.gen(function*() {
    const where = yield* directory
    const port = yield* freePort
    const tlsPort = yield* freePort
    const { cert, key } = certificate(where)
    fs.mkdirSync(path.join(where, "new"))
    const script = path.join(where, "server.py")
    write(script, [program])
    yield* start(python, [script, where, protocol, String(port), String(tlsPort), cert, key], port)
    return { host: "127.0.0.1", port, tlsPort, ca: cert, messages: maildir(where), log: () => "" }
  })
