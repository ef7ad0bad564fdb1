/** The port that a server of HTTP listens on. */
import type { HttpServer } from "@effect/platform"

export const portOf = ({ address }: Pick<HttpServer.HttpServer, "address">): number =>
  address._tag === "TcpAddress" ? address.port : 0
