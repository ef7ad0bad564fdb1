// Habits that another edition of Effect has dropped, found by types: a Fiber, Deferred, Option, Either or Ref in the place
// of an effect (yielded, passed or returned), and Effect.tap with a function that gives no effect. Run: node .ci/habits.mjs
import { createRequire } from "node:module"
import { join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
// The compiler of the documentation's workspace has an interface for programs, which TypeScript 7 no longer has.
const ts = createRequire(join(root, "docs", "package.json"))("typescript")
const configs = ["core", "node", "clients"].map((name) => {
  const path = join(root, "packages", name, "tsconfig.src.json")
  return ts.parseJsonConfigFileContent(ts.readConfigFile(path, ts.sys.readFile).config, ts.sys, join(path, ".."))
})
const program = ts.createProgram({
  rootNames: configs.flatMap(({ fileNames }) => fileNames),
  options: { ...configs[0].options, types: ["node"], noEmit: true, composite: false, rootDir: root }
})
const checker = program.getTypeChecker()

const names =
  /^(Fiber|RuntimeFiber|Deferred|Some|None|Left|Right|(Synchronized|Subscription)?Ref|FiberRef|Queue|Dequeue)$/
const parts = (type) => type.isUnion() ? type.types : [type]
const isOf = (type, named) =>
  named.test(type.symbol?.name) && /\/effect\/dist\/dts\//.test(type.symbol.declarations?.[0].getSourceFile().fileName)
const isDropped = (type) => parts(type).some((part) => isOf(part, names))
const isEffect = (type) => type !== undefined && parts(type).some((part) => isOf(part, /^Effect$/))
const resultsOf = (type) => type.getCallSignatures().map((signature) => signature.getReturnType())
/** Such a value, or a function that gives one, where an effect, or a function that gives one, is expected. */
const isMisplaced = (type, expected) =>
  expected !== undefined && (isDropped(type) && isEffect(expected) ||
    resultsOf(type).some(isDropped) && parts(expected).flatMap(resultsOf).some(isEffect))
/** A generator of Option's or Either's own yields them rightly. */
const isOwnGenerator = (node) => {
  const generator = ts.findAncestor(node, ts.isFunctionExpression)
  const call = generator?.parent
  return call !== undefined && ts.isCallExpression(call) && /^(Option|Either)\.gen$/.test(call.expression.getText())
}
const givesNoEffect = (tap) => {
  const type = checker.getTypeAtLocation(tap.arguments.at(-1))
  const given = type.getCallSignatures().length === 0 ? [type] : resultsOf(type)
  return given.flatMap(parts).some((part) => !isEffect(part) && !(part.flags & ts.TypeFlags.Never))
}

const problems = []
const visit = (node, file) => {
  const say = (what) => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart())
    const path = relative(root, file.fileName).split(sep).join("/")
    problems.push(`${path}:${line + 1}: ${what}: ${node.getText().split("\n")[0].slice(0, 80)}`)
  }
  if (ts.isYieldExpression(node) && node.asteriskToken) {
    if (isDropped(checker.getTypeAtLocation(node.expression)) && !isOwnGenerator(node)) say("yielded as an effect")
  } else if (ts.isExpression(node) && !ts.isFunctionLike(node)) {
    if (isMisplaced(checker.getTypeAtLocation(node), checker.getContextualType(node))) say("in the place of an effect")
  }
  if (ts.isCallExpression(node) && node.expression.getText() === "Effect.tap" && givesNoEffect(node)) {
    say("a function that gives no effect")
  }
  ts.forEachChild(node, (child) => visit(child, file))
}
const files = program.getSourceFiles().filter(({ fileName }) => /\/packages\/\w+\/src\//.test(fileName))
for (const file of files) visit(file, file)
for (const problem of problems) console.log(problem)
console.log(
  problems.length === 0
    ? `${files.length} files have none of the habits`
    : "see docs/architecture.md, The seam: give an effect in its place"
)
process.exit(problems.length === 0 && files.length > 0 ? 0 : 1)
