// npm leaves an optional package that it cannot fetch (another platform's binary, say) out of the lock file, and npm ci
// then refuses that file. This adds what is missing, as npm would but for the checksum. Run it after npm install when
// npm ci says "Missing: … from lock file".
import { readFileSync, writeFileSync } from "node:fs"

const path = new URL("../package-lock.json", import.meta.url)
const lock = JSON.parse(readFileSync(path, "utf8"))
const known = {
  os: ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"],
  cpu: ["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64"],
  libc: { glibc: "glibc", gnu: "glibc", gnueabihf: "glibc", musl: "musl", musleabihf: "musl" }
}

const added = []
for (const [parent, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (`${parent}/node_modules/${name}` in lock.packages || `node_modules/${name}` in lock.packages) continue
    const words = name.split("/").pop().split("-")
    const os = known.os.find((word) => words.includes(word))
    const cpu = known.cpu.find((word) => words.includes(word))
    const libc = words.map((word) => known.libc[word]).find((word) => word !== undefined)
    if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
      throw new Error(`${name}@${version}: add it by hand`)
    }
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(entry.dev ? { dev: true } : {}),
      ...(libc === undefined || os !== "linux" ? {} : { libc: [libc] }),
      ...(entry.license === undefined ? {} : { license: entry.license }),
      optional: true,
      os: [os],
      ...(entry.engines === undefined ? {} : { engines: entry.engines })
    }
    added.push(name)
  }
}
if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")))
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
}
console.log(`package-lock.json: ${added.length} entries added`)
