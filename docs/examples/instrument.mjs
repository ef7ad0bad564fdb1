// Turns an example into the program that is run: the same code, which also watches itself.
//
// - A promise or a fiber at the top level is awaited, so that Node ends with exit code 13 where it never settles.
// - `console.log(…) // text` must print that text, and so must `Console.log(…) // text` of Effect. Where it prints several times, each time, or `first, then second`.
//   `…` in the text stands for anything; white space counts as one blank.
import { fileURLToPath, pathToFileURL } from "node:url"
import ts from "typescript"

const watch = pathToFileURL(fileURLToPath(new URL("watch.mjs", import.meta.url))).href

const isConsoleLog = (node) =>
  ts.isPropertyAccessExpression(node) && node.name.text === "log" &&
  ts.isIdentifier(node.expression) && /^[cC]onsole$/.test(node.expression.text)

/** The comment at the end of the line in which `node` ends. */
const commentAfter = (text, node) => {
  const end = text.indexOf("\n", node.getEnd())
  const rest = text.slice(node.getEnd(), end === -1 ? text.length : end)
  return rest.match(/^[^"'`/]*\/\/ *(?:=> *)?(.*?) *$/)?.[1]
}

export const instrument = (code, fileName) => {
  const source = ts.createSourceFile(fileName, code, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS)
  const insertions = []
  const insert = (position, text) => insertions.push({ position, text })
  const lineOf = (node) => source.getLineAndCharacterOfPosition(node.getEnd()).line + 1
  const said = new Map()

  const visit = (node, isTopLevel) => {
    if (isConsoleLog(node)) {
      const whole = ts.isCallExpression(node.parent) && node.parent.expression === node ? node.parent : node
      const comment = commentAfter(code, whole)
      if (comment !== undefined) {
        insert(node.getStart(), `watchExample.prints(${lineOf(whole)}, `)
        insert(node.getEnd(), ")")
        said.set(lineOf(whole), comment)
      }
    }
    const isStillTopLevel = isTopLevel && !ts.isFunctionLike(node) && !ts.isClassLike(node)
    if (isStillTopLevel && ts.isExpressionStatement(node)) {
      insert(node.expression.getStart(), "await watchExample.settled(")
      insert(node.expression.getEnd(), ")")
    }
    ts.forEachChild(node, (child) => visit(child, isStillTopLevel))
  }
  visit(source, true)

  const lines = code.split("\n")
  const unsaid = lines.findIndex((line, index) => /\/\/ *=>/.test(line) && !said.has(index + 1))
  if (unsaid !== -1) {
    throw new Error(`line ${unsaid + 1}: nothing prints what its comment says: ${lines[unsaid].trim()}`)
  }

  const constants = source.statements.filter((node) => ts.isVariableStatement(node))
    .flatMap((node) => node.declarationList.declarations)
    .filter((node) => ts.isIdentifier(node.name))
    .map((node) => node.name.text)
  const ends = constants.map((name) => `await watchExample.settled(${name})`).join("\n")

  let out = code
  // From the end, so that the positions before stay true; of two at one position the first made stays outermost.
  const order = insertions.map((insertion, index) => ({ ...insertion, index }))
    .sort((a, b) => b.position - a.position || b.index - a.index)
  for (const { position, text } of order) out = out.slice(0, position) + text + out.slice(position)
  const expected = JSON.stringify(Array.from(said))
  const begin = `import * as watchExample from ${JSON.stringify(watch)}; watchExample.expectations(${expected});`
  return ts.transpileModule(`${begin}${out}\n${ends}\nwatchExample.atEnd()\n`, {
    fileName,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true
    }
  }).outputText
}
