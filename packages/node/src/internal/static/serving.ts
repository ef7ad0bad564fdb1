/** Answers requests with files below a directory: opens what the path leads to, has the answer planned, and sends it. */
import { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import Negotiator from "negotiator"
import { randomUUID } from "node:crypto"
import { pieceSize, streamOf, together } from "./body.js"
import { accepted, suffix } from "./codings.js"
import * as Listing from "./listing.js"
import { type Handle, openWithin, Refusal, type Root, settle } from "./opening.js"
import { namesOf, targetOf } from "./path.js"
import * as Planner from "./planner.js"
import type { Settings } from "./settings.js"

type Response = HttpServerResponse.HttpServerResponse

const nosniff = { "x-content-type-options": "nosniff" }

const phrases: Readonly<Record<number, string>> = {
  400: "Bad request",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  406: "Not acceptable",
  500: "Internal server error",
  503: "Service unavailable"
}

const brief = (status: number, headers: Readonly<Record<string, string>> = {}): Response =>
  HttpServerResponse.text(`${phrases[status]}\n`, { status, headers: { ...nosniff, ...headers } })

/** How often it is logged that files cannot be opened for want of descriptors. */
const quietMillis = 1000

export class Server {
  private readonly root: Root
  private readonly settings: Settings
  /** What opens and reads small files, lists directories: short, so that one more waits. */
  private readonly work: Effect.Semaphore
  /** Files that are open until they are sent. */
  private sending = 0
  private toldAt = -Infinity

  constructor(root: Root, settings: Settings, work: Effect.Semaphore) {
    this.root = root
    this.settings = settings
    this.work = work
  }

  readonly app: Effect.Effect<Response, any, any> = Effect.flatMap(HttpServerRequest, (request) => this.answer(request))

  private answer(request: HttpServerRequest): Effect.Effect<Response, any, any> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return Effect.succeed(brief(405, { allow: "GET, HEAD" }))
    }
    const names = namesOf(targetOf(request.url).path, this.settings.rules)
    if (!("names" in names)) return this.refuse(new Refusal(names), request)
    return this.atWork(this.found(request, names.names, names.isFolder)).pipe(
      Effect.catchAll((refusal) =>
        refusal.status === 404 ? this.orFallback(request, names.names, refusal) : this.refuse(refusal, request)
      )
    )
  }

  /** Runs where no interruption can come between the opening of a file and what closes it; `restore` waits for the file. */
  private atWork<R>(
    use: (restore: Restore) => Effect.Effect<Response, Refusal, R>
  ): Effect.Effect<Response, Refusal, R> {
    return this.work.withPermits(1)(Effect.uninterruptibleMask(use))
  }

  /**
   * Opens, and closes if what is then done fails. If it succeeds it has closed the handle, or left that to the request's
   * scope.
   */
  private opened(
    names: ReadonlyArray<string>,
    restore: Restore,
    use: (handle: Handle) => Effect.Effect<Response, Refusal, Scope.Scope>,
    otherwise: (refusal: Refusal) => Effect.Effect<Response, Refusal, Scope.Scope> = Effect.fail
  ): Effect.Effect<Response, Refusal, Scope.Scope> {
    return Effect.matchEffect(restore(openWithin(this.root, names)), {
      onFailure: otherwise,
      // Functions of the program's own run in there, and may throw.
      onSuccess: (handle) => Effect.onError(Effect.suspend(() => use(handle)), () => Effect.sync(handle.close))
    })
  }

  /** What the path leads to. */
  private found(request: HttpServerRequest, names: ReadonlyArray<string>, isFolder: boolean) {
    return (restore: Restore): Effect.Effect<Response, Refusal, Scope.Scope> =>
      this.opened(names, restore, (handle) => {
        if (handle.stats.isDirectory()) {
          // An app that is mounted gets "/" for the place of its mount, too.
          const redirect = isFolder && names.length > 0 ? undefined : toSlash(request.originalUrl)
          if (redirect === undefined) return this.folder(request, names, handle, restore)
          handle.close()
          return Effect.succeed(redirect)
        }
        if (!isFolder && handle.stats.isFile()) return this.file(request, names, handle, restore)
        return new Refusal({ status: 404, why: isFolder ? "a file with a slash at its end" : "no file" })
      })
  }

  /** The index of a directory, or its listing. */
  private folder(
    request: HttpServerRequest,
    names: ReadonlyArray<string>,
    handle: Handle,
    restore: Restore
  ): Effect.Effect<Response, Refusal, Scope.Scope> {
    const { index, maxEntries, rules } = this.settings
    const listing = maxEntries === 0
      ? new Refusal({ status: 404, why: "a directory without an index" })
      : Effect.map(
        restore(Listing.list(this.root, handle, { dotFiles: rules.dotFiles, maxEntries })),
        (listing) => listed(request, listing, names)
      )
    const attempt = (at: number): Effect.Effect<Response, Refusal, Scope.Scope> => {
      const name = index[at]
      if (name === undefined) return listing
      return this.opened(
        [...names, name],
        restore,
        (file) => {
          if (file.stats.isFile()) return this.file(request, [...names, name], file, restore)
          file.close()
          return attempt(at + 1)
        },
        (refusal) => refusal.status === 404 ? attempt(at + 1) : refusal
      )
    }
    return Effect.ensuring(attempt(0), Effect.sync(handle.close))
  }

  /** A file, or a compressed one beside it. */
  private file(
    request: HttpServerRequest,
    names: ReadonlyArray<string>,
    handle: Handle,
    restore: Restore,
    status?: 404
  ): Effect.Effect<Response, Refusal, Scope.Scope> {
    const { codings, fieldsOf, typeOf } = this.settings
    const vary: Record<string, string> = codings.length === 0 ? {} : { vary: "Accept-Encoding" }
    // A page in place of a missing file is not cached as if it were that file.
    const fields = { ...status === undefined ? fieldsOf(names) : nosniff, ...vary }
    const name = names.at(-1)!
    const send = (handle: Handle, coding?: (typeof codings)[number]) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const file: Planner.File = {
          size: Number(handle.stats.size),
          modified: handle.stats.mtimeNs,
          contentType: typeOf(name),
          coding,
          fields
        }
        const isHead = request.method === "HEAD"
        const asked = { isHead, fields: request.headers, now, boundary: () => randomUUID() }
        return this.send(
          handle,
          status === undefined ? Planner.plan(asked, file) : Planner.whole(file, isHead, status),
          restore
        )
      })
    if (codings.length === 0) return send(handle)
    const wanted = accepted(request.headers["accept-encoding"], codings)
    const attempt = (at: number): Effect.Effect<Response, Refusal, Scope.Scope> => {
      const coding = wanted[at]
      if (coding === undefined) {
        handle.close()
        return Effect.succeed(brief(406, { vary: "Accept-Encoding" }))
      }
      if (coding === "identity") return send(handle)
      return this.opened(
        [...names.slice(0, -1), name + suffix[coding]],
        restore,
        (beside) => {
          const isFile = beside.stats.isFile()
          const other = isFile ? handle : beside
          other.close()
          return isFile ? send(beside, coding) : attempt(at + 1)
        },
        () => attempt(at + 1)
      )
    }
    // A range is one of the file as it is; HEAD has none.
    const isRange = request.method === "GET" && request.headers["range"] !== undefined
    return attempt(isRange && wanted.includes("identity") ? wanted.indexOf("identity") : 0)
  }

  /** Sends what is small at once, so that nothing stays open; what is large as it is read. */
  private send(handle: Handle, plan: Planner.Plan, restore: Restore): Effect.Effect<Response, Refusal, Scope.Scope> {
    const { length, parts, status } = plan
    const headers = length === undefined ? plan.fields : { ...plan.fields, "content-length": String(length) }
    if (parts.length === 0) {
      handle.close()
      return Effect.succeed(HttpServerResponse.empty({ status, headers }))
    }
    const stream = Effect.suspend(() => {
      if (this.sending >= this.settings.maxOpenFiles) {
        return new Refusal({ status: 503, why: `${this.sending} files are being sent` })
      }
      this.sending++
      const release = Effect.sync(() => {
        this.sending--
        handle.close()
      })
      return Effect.as(
        Effect.addFinalizer(() => release),
        HttpServerResponse.stream(streamOf(handle, parts), { status, headers, contentLength: length })
      )
    })
    if (length! > pieceSize) return stream
    return Effect.flatMap(restore(settle(() => together(handle, parts), () => {})), (bytes) => {
      // It became shorter since it was opened: the stream fails where it ends now.
      if (bytes === undefined) return stream
      handle.close()
      return Effect.succeed(HttpServerResponse.uint8Array(bytes, { status, headers }))
    })
  }

  /** The page of a single-page program, for a path that names no file, of a client that takes pages. */
  private orFallback(
    request: HttpServerRequest,
    names: ReadonlyArray<string>,
    refusal: Refusal
  ): Effect.Effect<Response, any, any> {
    const { fallback } = this.settings
    if (fallback === undefined || !isNavigation(request, names)) return this.refuse(refusal, request)
    return this.page(request, fallback).pipe(Effect.catchAll((cause) => this.refuse(cause, request)))
  }

  private page(request: HttpServerRequest, names: ReadonlyArray<string>, status?: 404) {
    return this.atWork((restore) =>
      this.opened(names, restore, (handle) =>
        handle.stats.isFile()
          ? this.file(request, names, handle, restore, status)
          : new Refusal({ status: 404, why: "no file" }))
    )
  }

  private refuse(refusal: Refusal, request: HttpServerRequest): Effect.Effect<Response, any, any> {
    const { status } = refusal
    if (status === 404) {
      const { notFound } = this.settings
      if (notFound === undefined) return Effect.succeed(brief(404))
      return Effect.isEffect(notFound)
        ? notFound
        : Effect.orElseSucceed(this.page(request, notFound, 404), () => brief(404))
    }
    if (status === 503) {
      return Effect.as(this.tell(refusal), brief(503, { "retry-after": "1" }))
    }
    return status === 500
      ? Effect.as(Effect.logError(`A file cannot be served: ${refusal.why}`, refusal.cause), brief(500))
      : Effect.succeed(brief(status))
  }

  private tell(refusal: Refusal): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now - this.toldAt < quietMillis) return Effect.void
      this.toldAt = now
      return Effect.logWarning(
        `Files are answered 503: ${refusal.why}; raise \`maxOpenFiles\`, or the process's limit of open files`
      )
    })
  }
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/**
 * The redirect to a directory's own path, with a slash at its end, unless it has one. It is relative to the path that the
 * client asked for, so that it holds where this is mounted, too; and it begins with a dot: "//evil" would be another host.
 */
const toSlash = (originalUrl: string): Response | undefined => {
  const { path, query } = targetOf(originalUrl)
  if (path === "" || path.endsWith("/")) return undefined
  const last = path.slice(path.lastIndexOf("/") + 1)
  return HttpServerResponse.empty({ status: 301, headers: { ...nosniff, location: `./${last}/${query}` } })
}

const takes = (accept: string | undefined, types: ReadonlyArray<string>): string | undefined =>
  new Negotiator({ headers: accept === undefined ? {} : { accept } }).mediaType([...types])

/** A script or an image that is missing must not become a page: a browser asks for those with other types. */
const isNavigation = (request: HttpServerRequest, names: ReadonlyArray<string>): boolean => {
  const { accept } = request.headers
  const isPage = accept?.toLowerCase().includes("text/html") === true || !(names.at(-1) ?? "").includes(".")
  return isPage && takes(accept, ["text/html"]) !== undefined
}

const listed = (request: HttpServerRequest, listing: Listing.Listing, names: ReadonlyArray<string>): Response => {
  const json = takes(request.headers["accept"], ["text/html", "application/json"]) === "application/json"
  const content = json ? Listing.toJson(listing) : Listing.toHtml(listing, names)
  return HttpServerResponse.text(content, {
    headers: {
      ...nosniff,
      "cache-control": "no-cache",
      // Names are of whoever may write files.
      "content-security-policy": "default-src 'none'",
      vary: "Accept",
      "content-type": json ? "application/json" : "text/html; charset=utf-8"
    }
  })
}
