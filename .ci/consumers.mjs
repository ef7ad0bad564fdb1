// What a user has: the packed packages, installed into an empty folder by the README's install line, and beside the
// oldest peers that the packages take. There the programs of consumers/ and the READMEs' examples are type-checked, and
// run on every Node. Needs `npm run build`.
//
// node .ci/consumers.mjs [folder for a report of the counts]
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { published } from "../docs/examples/collect.mjs"
import { nodes, otherRuntimes } from "./nodes.mjs"
// The certificate library wants it to be there first.
import "reflect-metadata"

const root = fileURLToPath(new URL("..", import.meta.url))
const reports = process.argv[2]
const scratch = mkdtempSync(join(tmpdir(), "copas-consumers-"))
const isWindows = process.platform === "win32"
const npm = (cwd, ...args) =>
  spawnSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd,
    encoding: "utf8",
    shell: isWindows
  })

let passed = 0
const failures = []
const judge = (what, problem) => {
  if (problem === undefined) passed++
  else failures.push(`${what}: ${problem}`)
}

const packages = ["core", "node", "clients"]
const tarballs = packages.map((name) => {
  const packed = execFileSync("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", scratch], {
    cwd: join(root, "packages", name),
    encoding: "utf8",
    maxBuffer: 1 << 26,
    shell: isWindows
  })
  return join(scratch, Object.values(JSON.parse(packed))[0].filename)
})
const manifests = packages.map((name) => JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8")))
const peers = Object.assign({}, ...manifests.map(({ peerDependencies }) => peerDependencies))

/**
 * The peers of the README's install line, and the lowest minor versions of the peers' ranges. (Of those npm takes the last
 * patch: peers of these peers, cluster and rpc, do not install beside the first.)
 */
const line =
  /^npm install @copas\S+(?: @copas\S+)* (effect@.*)$/m.exec(readFileSync(join(root, "README.md"), "utf8"))[1]
const oldest = ["effect", "@effect/platform", "@effect/platform-node"].map((name) =>
  `${name}@${/\d+\.\d+/.exec(peers[name])[0]}`
)

const makeCertificate = async (folder) => {
  const X509 = await import("@peculiar/x509")
  X509.cryptoProvider.set(crypto)
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  const certificate = await X509.X509CertificateGenerator.createSelfSigned({
    name: "CN=localhost",
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new X509.BasicConstraintsExtension(true, 0, true),
      new X509.SubjectAlternativeNameExtension([{ type: "dns", value: "localhost" }, {
        type: "ip",
        value: "127.0.0.1"
      }])
    ]
  })
  writeFileSync(join(folder, "certificate.pem"), certificate.toString("pem"))
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey)
  writeFileSync(join(folder, "key.pem"), X509.PemConverter.encode(key, "PRIVATE KEY"))
}

const makeFolder = (name) => {
  const folder = join(scratch, name)
  mkdirSync(folder)
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  return folder
}

const versionsIn = (folder) =>
  ["effect", "@effect/platform", "@effect/platform-node"].map((name) =>
    `${name} ${JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"), "utf8")).version}`
  ).join(", ")

/** Type-checks and runs everything in a folder where the packages are installed. */
const tryOut = async (folder, on) => {
  const programs = join(folder, "programs")
  mkdirSync(programs)
  for (const name of readdirSync(join(root, ".ci", "consumers"))) {
    writeFileSync(join(programs, name), readFileSync(join(root, ".ci", "consumers", name)))
  }
  for (const example of published(root)) {
    if (/^(packages\/\w+\/)?README\.md:/.test(example.where.replaceAll("\\", "/")) && example.kind === "run") {
      writeFileSync(join(programs, `${example.name.replaceAll("/", "-")}.ts`), example.code)
    }
  }
  // Node's types are the project's: they are no peer of the packages.
  mkdirSync(join(folder, "node_modules", "@types"), { recursive: true })
  rmSync(join(folder, "node_modules", "@types", "node"), { recursive: true, force: true })
  symlinkSync(join(root, "node_modules", "@types", "node"), join(folder, "node_modules", "@types", "node"), "junction")
  for (const [name, module] of [["bundler", ["ESNext", "Bundler"]], ["node", ["NodeNext", "NodeNext"]]]) {
    writeFileSync(
      join(folder, `tsconfig.${name}.json`),
      JSON.stringify({
        compilerOptions: {
          target: "ES2022",
          lib: ["ES2022", "ESNext.Disposable", "DOM"],
          module: module[0],
          moduleResolution: module[1],
          strict: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: true,
          types: ["node"],
          rootDir: "programs",
          outDir: "built"
        },
        include: ["programs"]
      })
    )
    const tsc = spawnSync(process.execPath, [
      join(root, "node_modules/typescript/bin/tsc"),
      "-p",
      `tsconfig.${name}.json`
    ], {
      cwd: folder,
      encoding: "utf8"
    })
    judge(`${folder}, types (${name})`, tsc.status === 0 ? undefined : `${tsc.stdout}${tsc.stderr}`)
  }
  await makeCertificate(folder)
  for (const node of on) {
    const ran = readdirSync(join(folder, "built")).filter((name) => name.endsWith(".js"))
    for (const program of ran) {
      const { status, stderr, stdout } = spawnSync(node.path, [join("built", program)], {
        cwd: folder,
        encoding: "utf8",
        timeout: 60_000,
        killSignal: "SIGKILL"
      })
      judge(
        `${folder}, ${program} on ${node.version}`,
        status === 0 ? undefined : `${status}\n${stdout}${stderr}`.slice(-2000)
      )
    }
    console.log(`${node.version}: ${ran.length} programs beside ${versionsIn(folder)}`)
  }
}

/** What the README's table says of Bun and Deno. */
const tryOthers = (folder) => {
  writeFileSync(join(folder, "smoke.mjs"), readFileSync(join(root, ".ci", "smoke.mjs")))
  const rows = readFileSync(join(root, "README.md"), "utf8").split("\n").filter((row) => /\| (yes|no) \|/.test(row))
    .map((row) => row.split("|").map((cell) => cell.trim()))
  for (const [index, [name, { args, path, version }]] of Object.entries(otherRuntimes()).entries()) {
    const without = rows.filter((cells) => cells[index + 3] === "no").map((cells) => cells[1])
    const { status, stderr, stdout } = spawnSync(path, [...args, "smoke.mjs", ...without], {
      cwd: folder,
      encoding: "utf8",
      timeout: 240_000,
      killSignal: "SIGKILL"
    })
    judge(`smoke.mjs on ${name}`, status === 0 ? undefined : `${status}\n${stdout}${stderr}`.slice(-4000))
    const tried = [...stdout.matchAll(/^(?:works|does not work): (.*)$/gm)].map(([, what]) => what)
    const told = rows.map((cells) => cells[1])
    const isSame = told.length === tried.length && told.every((row) => tried.includes(row))
    judge(
      `the README's table of ${name}`,
      isSame ? undefined : `it has ${told.join(", ")}; tried were ${tried.join(", ")}`
    )
    console.log(`${name} ${version}: ${stdout.match(/^works/gm)?.length ?? 0} work, ${without.length} do not`)
  }
}

const all = nodes()
const lowest = all.find(({ version }) => version === `v${manifests[0].engines.node.replace(">=", "")}`)

// A folder where `npm install effect` was tried first, and gave what it gives: Effect 4.
const newest = makeFolder("newest")
const install = (what, ...args) => {
  const { status, stderr } = npm(newest, ...args)
  judge(what, status === 0 ? undefined : stderr)
  return status === 0
}
install("npm install effect", "install", "effect")
const refused = npm(newest, "install", ...tarballs)
judge(
  "the packages beside Effect 4",
  refused.status !== 0 && refused.stderr.includes("ERESOLVE") ? undefined : "npm installs them, though they do not run"
)
install("npm uninstall effect, as the READMEs have it", "uninstall", "effect", "@effect/platform-node")
if (install("the README's install line", "install", ...tarballs, ...line.split(" "))) {
  await tryOut(newest, all)
  tryOthers(newest)
}

const old = makeFolder("oldest")
const installedOld = npm(old, "install", ...tarballs, ...oldest)
judge(`beside ${oldest.join(" ")}`, installedOld.status === 0 ? undefined : installedOld.stderr)
if (installedOld.status === 0) await tryOut(old, [lowest, all.at(-1)])

for (const failure of failures) console.log(failure.replaceAll(scratch, ""))
console.log(`consumers: ${passed} passed, ${failures.length} failed`)
if (reports !== undefined) {
  writeFileSync(
    join(reports, "consumers.json"),
    JSON.stringify({
      numPassedTests: passed,
      numFailedTests: failures.length,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: []
    })
  )
}
rmSync(scratch, { recursive: true })
process.exit(failures.length === 0 ? 0 : 1)
