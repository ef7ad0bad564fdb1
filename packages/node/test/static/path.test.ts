/** What a path of a request leads to: names, or a refusal before anything is looked up. */
import { describe, expect, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { namesOf, targetOf } from "../../src/internal/static/path.js"

const rules = { dotFiles: false, windows: false }
const read = (path: string, over: Partial<typeof rules> = {}) => {
  const names = namesOf(path, { ...rules, ...over })
  return "names" in names ? names.names.join("|") + (names.isFolder ? "/" : "") : names.status
}

describe("paths of static files", () => {
  it.each(
    [
      ["", "/"],
      ["/", "/"],
      ["/a/b.txt", "a|b.txt"],
      ["/a/", "a/"],
      ["/a%20b/%C3%A9", "a b|é"],
      ["/%252e%252e/s", "%2e%2e|s"],
      ["/a%3Fb%23c", "a?b#c"],
      ["/.well-known/acme", ".well-known|acme"],
      ["/..", 404],
      ["/../s", 404],
      ["/a/../s", 404],
      ["/%2e%2e/s", 404],
      ["/%2E./s", 404],
      ["/./a", 404],
      ["/..%2fs", 404],
      ["/..%2Fs", 404],
      ["/..%5cs", 404],
      ["/..\\s", 404],
      ["/.%252e/s", 404],
      ["/sub%2findex.html", 404],
      ["//evil/sub", 404],
      ["/a//b", 404],
      ["//", 404],
      ["/.env", 404],
      ["/a/.git/config", 404],
      ["/a/.well-known/x", 404],
      ["/.well-known/.secret", 404],
      ["/a%00.png", 400],
      ["/%zz", 400],
      ["/%", 400],
      ["/a%f", 400],
      ["/%ff", 400],
      ["/%c0%ae%c0%ae/s", 400],
      ["/%ed%a0%80", 400]
    ] as const
  )("X02 the path %s becomes %s", (path, names) => expect(read(path)).toBe(names))

  it("X02 dot files are served on request, and .. never", () => {
    expect(read("/.env", { dotFiles: true })).toBe(".env")
    expect(read("/..", { dotFiles: true })).toBe(404)
    expect(read("/...", { dotFiles: true })).toBe("...")
  })

  it.each(["/C:/x", "/a.txt::$DATA", "/con", "/NUL.txt", "/aux.tar.gz", "/a.", "/a%20", "/GIT~1/config", "/com1.txt"])(
    "X02 %s is refused on Windows, where it is another spelling or a device",
    (path) => {
      expect(read(path, { windows: true })).toBe(404)
      expect(typeof read(path)).toBe("string")
    }
  )

  it("X02 whatever the path is, no name of it leads out of a directory, and each is decoded once", () => {
    const piece = fc.constantFrom(
      "/",
      "\\",
      ".",
      "..",
      "%2e",
      "%2f",
      "%5c",
      "%00",
      "%25",
      "%252e",
      "a",
      "é",
      "%C3%A9",
      "~1",
      ":"
    )
    const path = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((parts) => `/${parts.join("")}`),
      fc.string().map((text) => `/${text}`)
    )
    fc.assert(
      fc.property(path, fc.boolean(), fc.boolean(), (path, dotFiles, windows) => {
        const names = namesOf(path, { dotFiles, windows })
        if (!("names" in names)) return
        for (const name of names.names) {
          expect(name).not.toMatch(/[/\\\0]/)
          expect(["", ".", ".."]).not.toContain(name)
        }
        expect(names.names.map(encodeURIComponent).join("/") + (names.isFolder && names.names.length > 0 ? "/" : ""))
          .toBe(path.slice(1).split("/").map((part) => encodeURIComponent(decodeURIComponent(part))).join("/"))
      }),
      { numRuns: 1000 }
    )
  })

  it.each(
    [
      ["/a?b?c", "/a", "?b?c"],
      ["/a#b?c", "/a", ""],
      ["/a?b#c", "/a", "?b"],
      ["?x", "", "?x"],
      ["", "", ""],
      ["//evil/sub?q", "//evil/sub", "?q"],
      ["http://other/p?q", "/p", "?q"],
      ["HTTPS://u@other:8443", "", ""],
      ["http://other?q", "", "?q"]
    ] as const
  )("X02 the target %s has the path %s and the query %s", (target, path, query) => {
    expect(targetOf(target)).toEqual({ path, query })
  })
})
