// Types of the test peers that have none, as far as the tests use them.

declare module "libmime" {
  const libmime: {
    decodeWords(text: string): string
    parseHeaderValue(text: string): { readonly value: string; readonly params: Readonly<Record<string, string>> }
  }
  export default libmime
}

declare module "smtp-server/lib/sasl.js" {
  const mechanisms: Readonly<
    Record<string, (this: unknown, args: ReadonlyArray<string>, done: () => void) => void>
  >
  export default mechanisms
}
