/** Peers that are Node programs: how they are bundled and started. */
import * as esbuild from "esbuild"
import { fileURLToPath } from "node:url"
import type { Peer } from "../model.js"

/**
 * Every Node program of the bench runs as plain JavaScript, with no loader in its process: a loader's own thread would
 * count in CPU and memory, and tsx's `keepNames` adds a call to every closure that has a name. Our packages are taken
 * from their sources; everything else stays where npm put it.
 */
export const bundle = async (entry: URL, outfile: string): Promise<void> => {
  await esbuild.build({
    entryPoints: [fileURLToPath(entry)],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["copas-source"],
    external: [
      "effect",
      "effect/*",
      "@effect/*",
      "basic-ftp",
      "nodemailer",
      "got",
      "@fastify/send",
      "range-parser",
      "negotiator",
      "mime-types",
      "content-disposition",
      "ws",
      "esbuild"
    ],
    logLevel: "silent"
  })
}

const isInstalled = (name: string): boolean => {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}

/** A peer in Node: each mode has its program in `servers/`. */
export const nodePeer = (options: {
  readonly name: string
  readonly title: string
  readonly programs: Readonly<Record<string, string>>
  /** The module of npm that it is, if it is one. */
  readonly module?: string
}): Peer => ({
  name: options.name,
  title: options.title,
  modes: Object.keys(options.programs),
  missing: () =>
    options.module === undefined || isInstalled(options.module) ? undefined : `npm install ${options.module}`,
  build: async (directory) => {
    for (const program of new Set(Object.values(options.programs))) {
      await bundle(new URL(`../servers/${program}.ts`, import.meta.url), `${directory}/${program}.js`)
    }
  },
  command: (directory, mode) => [process.execPath, `${directory}/${options.programs[mode]}.js`, mode]
})
