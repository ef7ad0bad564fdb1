/** Errors of @effect/platform's FileSystem, for what its services fail with. */
import * as PlatformError from "@effect/platform/Error"

const reasons: Readonly<Record<string, PlatformError.SystemErrorReason>> = {
  ENOENT: "NotFound",
  ENOTDIR: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EMFILE: "Busy",
  ENFILE: "Busy",
  EISDIR: "BadResource",
  ELOOP: "BadResource",
  ENXIO: "BadResource",
  EOF: "UnexpectedEof"
}

/** A file that cannot be read, by the system's code. */
export const unreadable = (path: string, code: string, cause?: unknown): PlatformError.PlatformError =>
  new PlatformError.SystemError({
    reason: reasons[code] ?? "Unknown",
    module: "FileSystem",
    method: "open",
    pathOrDescriptor: path,
    description: code,
    cause
  })

/** An option that makes no sense. */
export const badArgument = (method: string, description: string): PlatformError.PlatformError =>
  new PlatformError.BadArgument({ module: "FileSystem", method, description })
