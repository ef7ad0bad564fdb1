/**
 * What the client knows of FTP's commands, in one table.
 */

type Trait =
  /** It changes nothing: a lost connection leaves nothing open, and the command can simply be sent again. */
  | "looks"
  /** Its refusal by 550 says that the path is not there. */
  | "finds"
  /** Its refusal by 450 says that there are no files. */
  | "lists"
  | "logsIn"
  | "makes"
  /** RFC 959, section 5.1: every server has it, so its 500 is a fault and not an answer. */
  | "minimal"
  /** The working directory may be another one after it. */
  | "moves"
  /** Its arguments are never shown. */
  | "secret"
  /** Many servers read a path that begins with `-` as options of `ls`. */
  | "options"

/** Why a caller cannot send the command as it is: the session would be in a state that it does not know of. */
const reasons = {
  transfer: "it needs a data connection; use get, put, download, upload, list or names",
  automatic: "the session sends it by itself, with each transfer",
  session: "it begins or ends a session; connect with the options for it, or leave the scope",
  rename: "it is half of a renaming; use rename"
}

const table: Readonly<Record<string, ReadonlyArray<Trait | keyof typeof reasons>>> = {
  ABOR: ["automatic"],
  ACCT: ["looks", "logsIn", "secret", "session"],
  ADAT: ["secret", "session"],
  APPE: ["transfer"],
  AUTH: ["looks", "session"],
  CCC: ["session"],
  CDUP: ["looks", "moves"],
  CLNT: ["looks"],
  CONNECT: ["looks"],
  CWD: ["looks", "finds", "moves"],
  EPRT: ["looks", "automatic"],
  EPSV: ["looks", "automatic"],
  FEAT: ["looks"],
  HELP: ["looks"],
  HOST: ["looks", "session"],
  LIST: ["looks", "finds", "lists", "options", "transfer"],
  MDTM: ["looks", "finds"],
  MKD: ["makes"],
  MLSD: ["looks", "finds", "lists", "transfer"],
  MLST: ["looks", "finds"],
  MODE: ["minimal", "automatic"],
  NLST: ["looks", "finds", "lists", "options", "transfer"],
  NOOP: ["looks", "minimal"],
  OPTS: ["looks"],
  PASS: ["looks", "logsIn", "secret", "session"],
  PASV: ["looks", "automatic"],
  PBSZ: ["looks", "session"],
  PORT: ["looks", "minimal", "automatic"],
  PRET: ["looks", "automatic"],
  PROT: ["looks", "session"],
  PWD: ["looks"],
  QUIT: ["minimal", "session"],
  REIN: ["session"],
  REST: ["looks", "automatic"],
  RETR: ["looks", "finds", "minimal", "transfer"],
  RNFR: ["looks", "finds", "rename"],
  RNTO: ["rename"],
  SITE: ["options"],
  SIZE: ["looks", "finds"],
  STAT: ["looks", "finds", "options"],
  STOR: ["minimal", "transfer"],
  STOU: ["transfer"],
  STRU: ["minimal", "automatic"],
  SYST: ["looks"],
  TYPE: ["looks", "minimal", "automatic"],
  USER: ["looks", "logsIn", "minimal", "session"],
  XCUP: ["moves"],
  XCWD: ["finds", "moves"],
  XMKD: ["makes"],
  XPWD: ["looks"]
}

const none: ReadonlyArray<Trait> = []
const traitsOf = (verb: string) => Object.hasOwn(table, verb) ? table[verb]! : none

export const is = (verb: string, trait: Trait): boolean => traitsOf(verb).includes(trait)

/** Why the session alone sends this command; `undefined` where a caller may. */
export const reserved = (verb: string): string | undefined =>
  traitsOf(verb).flatMap((trait) => trait in reasons ? [reasons[trait as keyof typeof reasons]] : [])[0]
