/**
 * What the test server does with each command.
 */
import * as Tls from "@copas/core/Tls"
import * as Effect from "effect/Effect"
import * as Checksum from "../../../internal/ftp/checksum.js"
import * as Bytes from "../../../internal/text/bytes.js"
import type { Client, Conversation } from "./client.js"
import * as Disk from "./disk.js"
import { at, type Handler, listUnix, mlsd, nlst, receiveFile, sendFile, store } from "./transfers.js"

const quote = (path: string): string => `"${path.replaceAll("\"", "\"\"")}"`

const missing = (client: Client, argument: string): Conversation =>
  client.reply(client.quirks.repeatsNames === false ? "550 No such file" : `550 ${argument}: no such file`)

// ---- data connections

const passive: Handler = (client) =>
  client.listen((port) => {
    const host = client.quirks.passiveHost ?? client.socket.localAddress.host
    return client.reply(`227 Entering passive mode (${host.replaceAll(".", ",")},${port >> 8},${port & 255})`)
  })

const announced = (use: Handler): Handler => (client, argument) => {
  if (client.quirks.pret === true && !client.isAnnounced) return client.reply("500 PRET first")
  client.isAnnounced = false
  return use(client, argument)
}

const eprt: Handler = (client, argument) => {
  const [, , host = "", port = ""] = argument.split(argument[0] ?? "|")
  return Effect.zipRight(client.connectTo(host, Number(port)), client.reply("200 There it will go"))
}

const port: Handler = (client, argument) => {
  const numbers = argument.split(",").map(Number)
  return Effect.zipRight(
    client.connectTo(numbers.slice(0, 4).join("."), numbers[4]! * 256 + numbers[5]!),
    client.reply("200 There it will go")
  )
}

// ---- the rest

const checksumFeatures = ({ checksums }: Client["quirks"]): ReadonlyArray<string> =>
  checksums === undefined
    ? []
    : checksums.by === "HASH"
    ? [`HASH ${checksums.algorithms.map((each, index) => index === 0 ? `${each}*` : each).join(";")}`]
    : Checksum.algorithms.filter(([each]) => checksums.algorithms.includes(each)).map(([, verb]) => verb)

const features = (client: Client): Conversation => {
  const known = [
    "EPSV",
    "EPRT",
    "MDTM",
    "MFMT",
    "SIZE",
    "REST STREAM",
    "UTF8",
    "TVFS",
    "MLST type*;size*;modify*;UNIX.mode*;"
  ]
  const unknown = client.quirks.unknown ?? []
  const all = known.concat(
    client.shared.tls === undefined ? [] : ["AUTH TLS", "PBSZ", "PROT"],
    client.quirks.pret === true ? ["PRET"] : [],
    client.quirks.modeZ === true ? ["MODE Z"] : [],
    checksumFeatures(client.quirks)
  )
  const lines = all.filter((line) => !unknown.includes(line.split(" ")[0]!.replace("MLST", "MLSD")))
  return client.reply(`211-Extensions\n${lines.map((line) => ` ${line}\n`).join("")}211 End`)
}

const startTls: Handler = (client, argument) => {
  const { tls } = client.shared
  if (tls === undefined || !/^TLS/i.test(argument)) return client.reply("504 Not that")
  return Effect.gen(function*() {
    // Together, as somebody in between would have them arrive.
    yield* client.say(`234 Go ahead\r\n${client.quirks.behindAuth ?? ""}`)
    yield* Tls.upgrade(client.socket, tls)
    client.isSecure = true
  })
}

const logIn: Handler = (client, argument) => {
  const { users } = client.shared
  if (users !== undefined && users[client.user ?? ""] !== argument) return client.reply("530 Log-in incorrect")
  client.isLoggedIn = true
  return client.reply("230 Welcome")
}

const onFile = (
  use: (client: Client, node: Disk.Node, path: string, argument: string) => Conversation
): Handler =>
(client, argument) => {
  const path = at(client, argument)
  const node = client.shared.disk.get(path)
  return node === undefined || node.isDirectory ? missing(client, argument) : use(client, node, path, argument)
}

const canProtect = ({ isLoggedIn, isSecure, quirks }: Client): boolean =>
  isSecure && (isLoggedIn || quirks.protectAfterLogIn !== true)

const handlers: { readonly [verb: string]: Handler } = {
  USER: (client, argument) => {
    if (client.refusal !== undefined) return client.reply(client.refusal)
    client.user = argument
    client.isLoggedIn = false
    return client.reply("331 And the password?")
  },
  PASS: logIn,
  AUTH: startTls,
  PBSZ: (client) => client.reply(canProtect(client) ? "200 PBSZ=0" : "503 Not yet"),
  PROT: (client, argument) => {
    if (!canProtect(client)) return client.reply("503 Not yet")
    client.protectsData = argument === "P"
    return client.reply("200 So be it")
  },
  MODE: (client, argument) => {
    const mode = argument.toUpperCase()
    if (mode !== "S" && !(mode === "Z" && client.quirks.modeZ === true)) return client.reply("504 Not that")
    client.isCoded = mode === "Z"
    return client.reply(`200 Mode ${mode}`)
  },
  PRET: (client) => {
    client.isAnnounced = true
    return client.reply("200 I see")
  },
  FEAT: features,
  OPTS: (client, argument) => {
    const algorithm = /^HASH (.*)$/i.exec(argument)?.[1]
    if (algorithm === undefined) return client.reply("200 So be it")
    const known = client.quirks.checksums?.algorithms.find((each) => each === algorithm.toUpperCase())
    if (known === undefined) return client.reply("501 Not that")
    client.hash = known
    return client.reply(`200 ${known}`)
  },
  HASH: onFile((client, node, _, argument) => {
    const { checksums } = client.quirks
    if (checksums?.by !== "HASH") return client.reply("500 Not that")
    const name = client.hash ?? checksums.algorithms[0]!
    const value = Checksum.of(name, node.bytes)
    return client.reply(`213 ${name} 0-${node.bytes.length} ${value} ${argument}`)
  }),
  ...Object.fromEntries(Checksum.algorithms.map(([algorithm, verb]) => [
    verb,
    onFile((client, node) =>
      client.quirks.checksums?.by === "X" && client.quirks.checksums.algorithms.includes(algorithm)
        ? client.reply(`250 ${Checksum.of(algorithm, node.bytes).toUpperCase()}`)
        : client.reply("500 Not that")
    )
  ])),
  SYST: (client) => client.reply(client.quirks.list === "dos" ? "215 Windows_NT" : "215 UNIX Type: L8"),
  NOOP: (client) => client.reply("200 Yes"),
  ABOR: (client) => Effect.zipRight(client.forget, client.reply("226 There is nothing to abort")),
  TYPE: (client, argument) => {
    client.type = argument.toUpperCase().startsWith("I") ? "I" : "A"
    return client.reply(`200 Type ${client.type}`)
  },
  PWD: (client) => client.reply(`257 ${quote(client.directory)} is where you are`),
  CWD: (client, argument) => {
    const path = at(client, argument)
    const isForbidden = client.quirks.forbidden?.includes(path) === true
    if (client.shared.disk.get(path)?.isDirectory !== true || isForbidden) return missing(client, argument)
    client.directory = path
    return client.reply("250 There you are")
  },
  CDUP: (client) => {
    client.directory = Disk.normalise(client.directory, "..")
    return client.reply("250 There you are")
  },
  EPSV: announced((client) =>
    client.listen((port) => client.reply(`229 Entering extended passive mode (|||${port}|)`))
  ),
  PASV: announced(passive),
  EPRT: eprt,
  PORT: port,
  REST: (client, argument) => {
    client.offset = Number(argument)
    return client.reply(`350 From ${argument} on`)
  },
  RETR: onFile((client, node) => {
    const { offset } = client
    client.offset = 0
    return client.startTransfer((data) => sendFile(client, data, node.bytes.subarray(offset)))
  }),
  STOR: (client, argument) => {
    const path = at(client, argument)
    const before = client.offset > 0 ? client.shared.disk.get(path)?.bytes ?? Bytes.empty : Bytes.empty
    return store(client, path, before.subarray(0, client.offset))
  },
  APPE: (client, argument) => {
    const path = at(client, argument)
    return store(client, path, client.shared.disk.get(path)?.bytes ?? Bytes.empty)
  },
  STOU: (client) => {
    let number = 1
    while (client.shared.disk.get(at(client, `unique.${number}`)) !== undefined) number++
    const path = at(client, `unique.${number}`)
    return client.startTransfer((data) =>
      Effect.map(receiveFile(client, data, path, Bytes.empty), (final) => `${final}; FILE: unique.${number}`)
    )
  },
  LIST: listUnix,
  NLST: nlst,
  MLSD: mlsd,
  MLST: (client, argument) => {
    const node = client.shared.disk.get(at(client, argument))
    if (node === undefined) return missing(client, argument)
    return client.reply(`250-Here it is\n ${Disk.facts(node)} ${argument}\n250 End`)
  },
  SIZE: onFile((client, node) =>
    client.quirks.sizeInAscii === true && client.type === "A"
      ? client.reply("550 SIZE not allowed in ASCII mode")
      : client.reply(`213 ${node.bytes.length}`)
  ),
  MDTM: onFile((client, node) => client.reply(`213 ${Disk.timeVal(node.modified)}`)),
  MFMT: (client, argument) => {
    const [time = "", ...name] = argument.split(" ")
    const node = client.shared.disk.get(at(client, name.join(" ")))
    const date = Disk.parseTimeVal(time)
    if (node === undefined || date === undefined) return missing(client, name.join(" "))
    node.modified = date
    return client.reply(`213 Modify=${time}; ${name.join(" ")}`)
  },
  DELE: onFile((client, _, path) => {
    client.shared.disk.remove(path)
    return client.reply("250 Gone")
  }),
  MKD: (client, argument) => {
    const path = at(client, argument)
    const { disk } = client.shared
    if (disk.get(path) !== undefined || !disk.hasParent(path)) return client.reply("550 It cannot be made")
    disk.makeDirectory(path)
    return client.reply(`257 ${quote(path)} is made`)
  },
  RMD: (client, argument) => {
    const path = at(client, argument)
    const { disk } = client.shared
    if (disk.get(path)?.isDirectory !== true) return missing(client, argument)
    if (disk.children(path).length > 0) return client.reply("550 It is not empty")
    disk.remove(path)
    return client.reply("250 Gone")
  },
  RNFR: (client, argument) => {
    const path = at(client, argument)
    if (client.shared.disk.get(path) === undefined) return missing(client, argument)
    client.renameFrom = path
    return client.reply("350 And to what?")
  },
  RNTO: (client, argument) => {
    const from = client.renameFrom
    if (from === undefined) return client.reply("503 RNFR first")
    client.renameFrom = undefined
    if (client.quirks.renamesOnto === false && client.shared.disk.get(at(client, argument)) !== undefined) {
      return client.reply("550 There is one already")
    }
    client.shared.disk.rename(from, at(client, argument))
    return client.reply("250 So be it")
  },
  SITE: (client, argument) => {
    const [, mode = "", name = ""] = /^CHMOD (\d+) (.*)$/i.exec(argument) ?? []
    if (mode === "") return client.reply("500 Not that")
    const node = client.shared.disk.get(at(client, name))
    if (node === undefined) return missing(client, name)
    node.mode = Number.parseInt(mode, 8)
    return client.reply("200 So be it")
  },
  STAT: (client) => client.reply(`211-A server for tests\n ${client.quirks.status ?? "all is well"}\n211 End`),
  HOST: (client) => client.reply("220 So be it"),
  QUIT: (client) => {
    client.isOver = true
    return client.reply("221 Good bye")
  }
}

const beforeLogIn = new Set(["USER", "PASS", "AUTH", "PBSZ", "PROT", "FEAT", "HOST", "QUIT", "NOOP", "SYST", "OPTS"])

export const perform = (client: Client, line: string): Conversation => {
  const space = line.indexOf(" ")
  const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase()
  const given = space < 0 ? "" : line.slice(space + 1)
  // RFC 854: a byte of 255 comes twice, and alone it begins a command with the next byte.
  const argument = client.quirks.undoublesIac === false ?
    given :
    given.replaceAll(/\xff([^]?)/g, (_, next: string) => next === "\xff" ? next : "")
  client.shared.commands.push(line)
  return Effect.flatMap(client.during(verb), (isAnswered) => {
    if (isAnswered) return Effect.void
    const { hangsUpAt, replies, unknown } = client.quirks
    if (hangsUpAt?.includes(verb) === true) return client.socket.abort
    const scripted = replies?.[verb]
    if (scripted !== undefined) return client.reply(scripted)
    const handler = unknown?.includes(verb) === true ? undefined : handlers[verb]
    if (handler === undefined) return client.reply(`500 ${verb} is not known`)
    if (!client.isLoggedIn && !beforeLogIn.has(verb)) return client.reply("530 Log in first")
    return handler(client, argument)
  })
}
