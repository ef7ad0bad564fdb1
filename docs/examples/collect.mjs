// Finds the examples: the fenced blocks of the @example tags in packages/*/src, and those of the Markdown files.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"

const packages = ["core", "node", "clients"]

const files = (directory, extension) =>
  existsSync(directory)
    ? readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return /^(node_modules|\..*)$/.test(entry.name) ? [] : files(path, extension)
      return entry.name.endsWith(extension) ? [path] : []
    })
    : []

const lineAt = (text, index) => text.slice(0, index).split("\n").length

const fences = (text, linesBefore) =>
  Array.from(text.matchAll(/^ {0,3}```(ts\b.*|typescript\b.*)\n([^]*?)^ {0,3}```/gm), (match) => ({
    words: match[1].trim().split(/ +/),
    code: match[2],
    line: linesBefore + lineAt(text, match.index),
    before: text.slice(0, match.index)
  }))

const fromMarkdown = (path) => fences(readFileSync(path, "utf8"), 0).map((fence) => ({ ...fence, path }))

const fromSource = (path) => {
  const text = readFileSync(path, "utf8")
  return Array.from(text.matchAll(/\/\*\*[^]*?\*\//g)).flatMap((comment) => {
    const body = comment[0].replace(/\*\/$/, "").replace(/^[ \t]*\/?\*+ ?/gm, "")
    return fences(body, lineAt(text, comment.index) - 1).map((fence) => ({ ...fence, path }))
  })
}

// A misspelt word would leave an example unchecked, so every word must be known.
const kindOf = (words, where) => {
  let kind = "run"
  let file
  for (const word of words.slice(1)) {
    if (word === "no-run" || word === "serves") kind = word
    else if (/^file=[\w-]+(\.test)?\.ts$/.test(word)) file = word.slice("file=".length)
    else throw new Error(`${where}: unknown word in the fence: ${word}`)
  }
  if (words[0] !== "ts") throw new Error(`${where}: write "ts", not "${words[0]}"`)
  return { kind: file?.endsWith(".test.ts") ? "test" : kind, file }
}

const named = (root, example) => {
  const where = `${relative(root, example.path)}:${example.line}`
  const { file, kind } = kindOf(example.words, where)
  const folder = relative(root, example.path).replace(/\.(ts|md)$/, "").replace(/[^\w-]+/g, "_")
  return { ...example, where, kind, name: `${folder}/${file?.replace(/\.ts$/, "") ?? `line-${example.line}`}` }
}

/** The examples that the project publishes. */
export const published = (root) =>
  [
    ...packages.flatMap((name) => files(join(root, "packages", name, "src"), ".ts").flatMap(fromSource)),
    ...[join(root, "README.md"), ...packages.map((name) => join(root, "packages", name, "README.md"))]
      .filter((path) => existsSync(path)).flatMap(fromMarkdown),
    ...files(join(root, "docs"), ".md").filter((path) => !path.endsWith("faulty.md")).flatMap(fromMarkdown)
  ].map((example) => named(root, example))

/** The examples that must fail, each with the words that its failure must contain: the last code before the fence. */
export const faulty = (root) =>
  fromMarkdown(join(root, "docs", "examples", "faulty.md"))
    .map((example) => named(root, example))
    .map((example) => ({ ...example, fails: example.before.match(/`([^`\n]+)`[^`]*$/)[1] }))
