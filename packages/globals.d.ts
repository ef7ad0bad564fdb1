// The globals that portable sources (core, clients) may use: what every runtime has, and neither Node's types nor the DOM's.
// A name that is missing here does not type-check there. That is on purpose: add it only if it exists everywhere.

declare function queueMicrotask(callback: () => void): void
declare function setTimeout(callback: () => void, milliseconds?: number): unknown
declare function clearTimeout(timer: unknown): void
declare function structuredClone<A>(value: A): A
declare function atob(data: string): string
declare function btoa(data: string): string

declare const performance: { now(): number }

declare const console: {
  log(...data: ReadonlyArray<unknown>): void
  error(...data: ReadonlyArray<unknown>): void
}

interface ErrorConstructor {
  /** V8 alone has it: how many frames a new error keeps. */
  stackTraceLimit?: number | undefined
}

declare class TextEncoder {
  readonly encoding: string
  encode(input?: string): Uint8Array<ArrayBuffer>
  encodeInto(source: string, destination: Uint8Array): { readonly read: number; readonly written: number }
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean })
  readonly encoding: string
  decode(input?: ArrayBufferLike | ArrayBufferView, options?: { readonly stream?: boolean }): string
}

interface AbortSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: "abort", listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: "abort", listener: () => void): void
}

declare class AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}

declare class URLSearchParams implements Iterable<[string, string]> {
  constructor(init?: string | Iterable<readonly [string, string]> | Readonly<Record<string, string>>)
  append(name: string, value: string): void
  delete(name: string): void
  get(name: string): string | null
  getAll(name: string): Array<string>
  has(name: string): boolean
  set(name: string, value: string): void
  toString(): string
  [Symbol.iterator](): IterableIterator<[string, string]>
}

declare class URL {
  constructor(url: string | URL, base?: string | URL)
  hash: string
  host: string
  hostname: string
  href: string
  readonly origin: string
  password: string
  pathname: string
  port: string
  protocol: string
  search: string
  readonly searchParams: URLSearchParams
  username: string
  toString(): string
  toJSON(): string
}

interface QueuingStrategy<T = unknown> {
  readonly highWaterMark?: number
  readonly size?: (chunk: T) => number
}

interface ReadableStream<R = unknown> {
  readonly locked: boolean
  cancel(reason?: unknown): Promise<void>
  getReader(): {
    cancel(reason?: unknown): Promise<void>
    read(): Promise<{ readonly done: false; readonly value: R } | { readonly done: true; readonly value: undefined }>
    releaseLock(): void
  }
}

interface WritableStream<W = unknown> {
  getWriter(): {
    write(chunk: W): Promise<void>
    close(): Promise<void>
    abort(reason?: unknown): Promise<void>
  }
}

declare class CompressionStream {
  constructor(format: "deflate")
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

declare class DecompressionStream {
  constructor(format: "deflate")
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

interface Blob {
  readonly size: number
  readonly type: string
  slice(start?: number, end?: number): Blob
  arrayBuffer(): Promise<ArrayBuffer>
}

interface File extends Blob {
  readonly name: string
}

interface FormData extends Iterable<[string, string | File]> {
  append(name: string, value: string): void
}

declare class Response {
  constructor(body: Uint8Array, init: { readonly headers: Readonly<Record<string, string>> })
  formData(): Promise<FormData>
}

/** A key that WebCrypto holds. */
interface CryptoKey {
  readonly type: "secret" | "private" | "public"
}

/** WebCrypto, as far as it is everywhere and used here. */
declare const crypto: {
  getRandomValues<A extends Uint8Array>(array: A): A
  readonly subtle: {
    importKey(
      format: "raw" | "pkcs8",
      key: Uint8Array,
      algorithm: { readonly name: string; readonly hash?: string },
      extractable: boolean,
      usages: ReadonlyArray<"sign" | "deriveBits">
    ): Promise<CryptoKey>
    deriveBits(
      algorithm: {
        readonly name: "PBKDF2"
        readonly hash: string
        readonly salt: Uint8Array
        readonly iterations: number
      },
      key: CryptoKey,
      length: number
    ): Promise<ArrayBuffer>
    sign(algorithm: { readonly name: string }, key: CryptoKey, data: Uint8Array): Promise<ArrayBuffer>
  }
}
