/**
 * What the test server does with each command.
 */
import * as Effect from "effect/Effect"
import { type Client, type Conversation, limit } from "./client.js"
import * as Content from "./content.js"
import * as Envelope from "./envelope.js"
import { defaultRecipients } from "./extensions.js"
import * as Login from "./login.js"

type Handler = (client: Client, argument: string) => Conversation

const greet = (isExtended: boolean): Handler => (client, argument) => {
  if (!Envelope.isClientName(argument)) return client.reply("501 5.5.4 A domain or an address literal is what it takes")
  const lines = client.greet(argument, isExtended)
  return client.reply(
    [client.shared.name, ...lines].map((line, index) => `250${index === lines.length ? " " : "-"}${line}`).join("\n")
  )
}

const mail: Handler = (client, argument) => {
  const { quirks, shared } = client
  if (client.transaction !== undefined) return client.reply("503 5.5.1 A message is under way")
  if (shared.options.requireTls === true && !client.isSecure) return client.reply("530 5.7.0 STARTTLS comes first")
  if (shared.options.requireAuth === true && client.user === undefined) {
    return client.reply("530 5.7.0 AUTH comes first")
  }
  const path = Envelope.readMail(argument, client.has)
  if (path instanceof Envelope.Refusal) return client.reply(path.reply)
  const messages = limit(quirks.maxMessages, Infinity, "421 4.7.0 Too many messages on this connection")
  const refused = client.transactions >= messages.most
    ? messages.reply
    : Envelope.byAddress(quirks.senders, path.address) ?? Content.refusedSize(client, path.parameters.SIZE)
  if (refused !== undefined && /^[45]/.test(refused)) return client.reply(refused)
  client.transactions += 1
  client.transaction = { mail: path, recipients: [], content: undefined }
  return client.reply(refused ?? "250 2.1.0 So be it")
}

const recipient: Handler = (client, argument) =>
  Effect.gen(function*() {
    const { quirks, shared, socket, transaction } = client
    if (transaction === undefined) return yield* client.reply("503 5.5.1 MAIL comes first")
    if (transaction.content !== undefined) return yield* client.reply("503 5.5.1 The message has begun")
    const path = Envelope.readRecipient(argument, transaction.mail.parameters.SMTPUTF8 !== undefined, client.has)
    if (path instanceof Envelope.Refusal) return yield* client.reply(path.reply)
    const { address } = path
    const { greylist } = quirks
    const { most, reply } = limit(quirks.maxRecipients, defaultRecipients, "452 4.5.3 Too many recipients")
    const triplet = `${socket.remoteAddress.host} ${transaction.mail.address} ${address}`
    const scripted = Envelope.byAddress(quirks.recipients, address)
    const refused = transaction.recipients.length >= most
      ? reply
      : scripted !== undefined && /^[45]/.test(scripted)
      ? scripted
      : address.toLowerCase() !== "postmaster" && shared.options.mailboxes?.includes(address) === false
      ? "550 5.1.1 There is no such mailbox"
      : greylist !== undefined && (yield* shared.isGrey(triplet, greylist))
      ? "451 4.7.1 Greylisted: come back later"
      : undefined
    if (refused !== undefined) return yield* client.reply(refused)
    transaction.recipients.push(path)
    yield* client.reply(scripted ?? "250 2.1.5 So be it")
  })

/** The addresses that a name or an address stands for, whatever its case. */
const mailboxesOf = (client: Client, name: string): ReadonlyArray<string> => {
  const wanted = name.replace(/^<(.*)>$/, "$1").toLowerCase()
  return (client.shared.options.mailboxes ?? []).filter((address) =>
    address.toLowerCase() === wanted || address.toLowerCase().startsWith(`${wanted}@`)
  )
}

/** The argument of VRFY and EXPN. RFC 6531, section 3.7.4.2. */
const named = (client: Client, argument: string): string =>
  client.has("SMTPUTF8") ? Envelope.textOf(argument.replace(/ SMTPUTF8$/i, "")) ?? argument : argument

/** RFC 5321, section 3.5. */
const verify: Handler = (client, argument) => {
  const name = named(client, argument)
  const [found, ...others] = mailboxesOf(client, name)
  return client.reply(
    name === ""
      ? "501 5.5.4 A name or an address is what it takes"
      : client.shared.options.mailboxes === undefined
      ? "252 2.1.5 It is not verified, but taken"
      : found === undefined
      ? "550 5.1.1 There is no such mailbox"
      : others.length > 0
      ? "553 5.1.4 There are several such mailboxes"
      : `250 2.1.5 <${found}>`
  )
}

const expand: Handler = (client, argument) => {
  const { lists } = client.shared.options
  const name = named(client, argument)
  const members = lists !== undefined && Object.hasOwn(lists, name) ? lists[name]! : []
  return client.reply(
    lists === undefined
      ? "502 5.5.1 EXPN is not offered"
      : members.length === 0
      ? "550 5.1.1 There is no such list"
      : members.map((member, index) => `250${index === members.length - 1 ? " " : "-"}2.1.5 <${member}>`).join("\n")
  )
}

/** A command that takes no argument. */
const alone = (run: (client: Client) => Conversation): Handler => (client, argument) =>
  argument === "" ? run(client) : client.reply("501 5.5.4 It takes nothing")

const handlers: { readonly [verb: string]: Handler } = {
  EHLO: greet(true),
  LHLO: greet(true),
  HELO: greet(false),
  MAIL: mail,
  RCPT: recipient,
  DATA: Content.data,
  BDAT: Content.bdat,
  STARTTLS: Login.startTls,
  AUTH: Login.auth,
  RSET: alone((client) => {
    client.transaction = undefined
    return client.reply("250 2.0.0 So be it")
  }),
  NOOP: (client) => client.reply("250 2.0.0 Still here"),
  VRFY: verify,
  EXPN: expand,
  HELP: (client) => client.reply("214 2.0.0 A server for tests"),
  QUIT: alone((client) => client.reply("221 2.0.0 Good bye"))
}

/** What may come before EHLO. RFC 5321, section 4.1.4. */
const beforeGreeting = new Set(["EHLO", "LHLO", "HELO", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "QUIT"])
/** RFC 2033, section 4.1. */
const others = { smtp: ["LHLO"], lmtp: ["EHLO", "HELO"] }

/** The extensions that have commands of their own. */
const extensionOf: { readonly [verb: string]: string } = { BDAT: "CHUNKING", STARTTLS: "STARTTLS", AUTH: "AUTH" }

const handlerOf = (client: Client, verb: string): Handler | undefined => {
  const { quirks, shared } = client
  const isOff = quirks.unknown?.includes(verb) === true || others[shared.options.protocol ?? "smtp"].includes(verb) ||
    extensionOf[verb] !== undefined && client.name !== undefined && !client.has(extensionOf[verb])
  return isOff || !Object.hasOwn(handlers, verb) ? undefined : handlers[verb]
}

export const perform = (client: Client, line: string | undefined): Conversation => {
  if (line === undefined) return client.reply("500 5.5.2 The line is too long")
  if (client.awaitsSecret) {
    client.shared.log("AUTH ****")
    return client.reply("535 5.7.8 The challenge was scripted")
  }
  const [, word = "", argument = ""] = /^([^ ]*)(?: (.*))?$/s.exec(line) ?? []
  const verb = word.toUpperCase()
  client.phase = verb
  client.shared.log(Login.hidden(Envelope.textOf(line) ?? line))
  if (line.length + 2 > Envelope.longestLine(verb)) return client.reply("500 5.5.2 The line is too long")
  if (/[\r\n\0]/.test(line)) return client.reply("500 5.5.2 A line has a CR, LF or NUL")
  if (client.reader.hasMore && client.name !== undefined && !client.has("PIPELINING") && verb !== "BDAT") {
    return client.reply("503 5.5.0 Wait for the reply: PIPELINING is not offered")
  }
  const handler = handlerOf(client, verb)
  if (handler === undefined) return client.reply(client.quirks.replies?.[verb] ?? `500 5.5.1 ${verb} is not known`)
  if (client.refusal !== undefined && verb !== "BDAT") return client.reply(client.refusal)
  return client.name === undefined && !beforeGreeting.has(verb)
    ? client.reply("503 5.5.1 EHLO comes first")
    : handler(client, argument)
}
