/** All workloads, in the order of the tables. */
import type { Workload } from "../model.js"
import { bulk } from "./bulk.js"
import { burst } from "./burst.js"
import { datagrams } from "./datagrams.js"
import { ftpWorkloads } from "./ftp.js"
import { httpServerWorkloads } from "./http-server.js"
import { httpWorkloads } from "./http.js"
import { idle } from "./idle.js"
import { lines } from "./lines.js"
import { pingPongs } from "./ping-pong.js"
import { pipelined } from "./pipelined.js"
import { slow } from "./slow.js"
import { smtpWorkloads } from "./smtp.js"
import { storms } from "./storm.js"
import { threadWorkloads } from "./threads.js"
import { tlsWorkloads } from "./tls.js"

/** In the order of the tables. */
export const workloads: ReadonlyArray<Workload> = [
  ...pingPongs,
  lines,
  pipelined,
  bulk,
  ...storms,
  idle,
  burst,
  slow,
  datagrams,
  ...tlsWorkloads,
  ...threadWorkloads,
  ...ftpWorkloads,
  ...smtpWorkloads,
  ...httpWorkloads,
  ...httpServerWorkloads
]
