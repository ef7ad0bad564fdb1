/** Whether a peer's programs are installed, and how they are compiled. */
import { spawnSync } from "node:child_process"

/** Whether a command can be run and ends well. */
export const works = (command: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0

/** Runs a compiler; its complaints are the error. */
export const compile = async (command: string, args: ReadonlyArray<string>, directory?: string): Promise<void> => {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8", cwd: directory })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
}
