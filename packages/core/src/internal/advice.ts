/** What the messages of socket errors say about each reason: what it means, and what the reader can do. */

/** One text, or several where a Unix-domain path or a datagram socket needs another one. */
export type Advice = string | { readonly tcp: string; readonly udp?: string; readonly unix: string }

export const adviceFor = (advice: Advice, transport: "tcp" | "udp" | "unix"): string =>
  typeof advice === "string" ? advice : advice[transport] ?? advice.tcp

/** For a reason that this library has no name for: the system's own words. */
export const unknown = (cause: unknown): string =>
  cause instanceof Error && cause.message !== ""
    ? `the system says "${cause.message}"; please report it, so that it gets a reason of its own`
    : "the system gave no reason"

const outOfDescriptors = "this process, or the whole system, is out of descriptors; close some, or raise `ulimit -n`"
const outOfMemory = "the system is out of memory for sockets; try again later"
const noSuchName =
  "no such name, or no address of the family that is asked for; check the spelling, `family` and the name server"
const noAnswer = "the name server did not answer usefully; try again later"
const tooLong = "the system allows about a hundred bytes for a socket's path; use a shorter one"
const badPath = "a part of the path is not a folder, or its symbolic links form a loop; correct the path"
const noZone = "a link-local address needs an interface of this machine as its zone, as in fe80::1%eth0"
const fileSystem = "the file system there is full or damaged; repair it, or use another folder"

export const connect = {
  Refused: {
    tcp: "nothing listens there; check the port, or start the server",
    unix: "nothing listens there; check the path, or start the server"
  },
  TimedOut: {
    tcp: "no answer came in time; check the address and any firewall, or raise the connect time-out",
    unix: "no answer came in time; check the server, or raise the connect time-out"
  },
  Unreachable: "there is no route to it from here; check the network and the address family",
  HostNotFound: noSuchName,
  LookupFailed: noAnswer,
  Reset: "the peer cut the connection while it was being made; try again",
  AddressInUse: "the local address is taken; choose another local port",
  AddressNotAvailable: "the local address is not one of this machine's or not of the peer's family, or its ports are " +
    "used up",
  AccessDenied: {
    tcp: "the system forbids it; check permissions and firewall rules",
    unix: "the system forbids it; the socket must be writable for this process, and its folders searchable"
  },
  ZoneMissing: noZone,
  NotPermitted: "the option `permit` refused every address of it, so none was tried; connect elsewhere, or permit one",
  PathNotFound: "nothing is at the path; check it, or start the server",
  PathTooLong: tooLong,
  BadPath: badPath,
  NotASocket: "what is at the path is not a socket; check the path",
  WrongSocketType: "the socket at the path is not for streams but, for example, for datagrams; check the path",
  BacklogFull: "as many connections wait there as the listener allows; try again, or raise its `backlog`",
  FileSystemFailed: fileSystem,
  Unsupported: "this system, or the file system there, has no Unix-domain sockets; use another folder",
  TooManyOpenFiles: outOfDescriptors,
  OutOfMemory: outOfMemory
} as const satisfies Record<string, Advice>

export const bind = {
  AddressInUse: {
    tcp: "another socket listens there; stop it, or use another port (0 lets the system choose)",
    udp: "another socket has the port; close it, or use another port (0 lets the system choose)",
    unix: "a socket is there already; stop its program, or use another path (with `takeOver` a file that a dead " +
      "process left behind is replaced)"
  },
  AccessDenied: {
    tcp: "the system forbids it; ports below 1024 need privileges",
    unix: "the system forbids it; make the folder writable for this process, or use another one"
  },
  AddressNotAvailable: "the address is not one of this machine's; use one that is, or 0.0.0.0 or :: for all of them",
  HostNotFound: "no such name, or no address of the family that is asked for; give an address of this machine",
  LookupFailed: "the name server did not answer usefully; give an address of this machine, or try again later",
  ZoneMissing: noZone,
  PathNotFound: "the folder of the path is not there; make it first, or correct the path",
  PathTooLong: tooLong,
  BadPath: badPath,
  NotASocket: "what is at the path already is not a socket, and was left alone; remove it, or use another path",
  FileSystemFailed: fileSystem,
  Unsupported: "this system, or the file system there, has no Unix-domain sockets; use another folder",
  TooManyOpenFiles: outOfDescriptors,
  OutOfMemory: outOfMemory
} as const satisfies Record<string, Advice>

export const accept = {
  TooManyOpenFiles: outOfDescriptors,
  OutOfMemory: "the system is out of memory for sockets; bound the connections with `maxConnections`",
  AccessDenied: "a firewall rule of this machine forbids it; check the rules",
  Aborted: "the peer gave up before it was accepted; accept the next"
} as const satisfies Record<string, Advice>

export const broken = {
  Reset: "the peer, or something on the way to it, reset it",
  BrokenPipe: "the peer receives no more",
  TimedOut: "the peer's machine did not answer for too long",
  Unreachable: "there is no way to the peer any more",
  OutOfMemory: "the system is out of memory for sockets",
  Truncated: "it ended without the end that TLS sends",
  Tls: "TLS failed"
} as const satisfies Record<string, Advice>

export const datagram = {
  Refused: "nothing receives there; check the port, or start the peer",
  Unreachable: "there is no way to it from here; check the network, the address and its family, and the socket's own " +
    "address",
  HostNotFound: noSuchName,
  LookupFailed: noAnswer,
  NotConnected: "the socket has no peer; use `sendTo`, or `connect` first",
  AlreadyConnected: "the socket has a peer; use `send`, or `disconnect` first",
  MessageTooLong: "an earlier datagram was larger than the way to the peer allows; send less at a time",
  AccessDenied: "the system forbids it; a broadcast needs the option `broadcast`, else check the firewall rules",
  NotPermitted: "the option `permit` refused every address of it, so nothing was sent; send elsewhere, or permit one",
  ZoneMissing: noZone,
  AddressInUse: "another socket has taken the port meanwhile; close this socket, and bind another one",
  AddressNotAvailable: "there is no such address or interface on this machine",
  TooManyGroups:
    "the socket is in as many groups, or hears as many sources, as the system allows; leave one, or join " +
    "with another socket",
  Unsupported: "this system cannot do it",
  TooManyOpenFiles: outOfDescriptors,
  OutOfMemory: "the system has no room for it; send slower, or try again later"
} as const satisfies Record<string, Advice>

/** Of a group that could not be joined. */
export const join = {
  ...datagram,
  AccessDenied: "the system forbids it; check permissions and firewall rules",
  AddressInUse: "the socket is a member of the group already",
  OutOfMemory: outOfMemory,
  Unsupported: "this system does not have multicast, or not for one source alone"
} as const satisfies Record<string, Advice>
