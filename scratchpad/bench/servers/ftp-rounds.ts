/** The arguments of the rounds of FTP. */

const [mode, port, size, local, big] = process.argv.slice(2) as [string, string, string, string, string]

export const told = { mode, port: Number(port), size: Number(size), local, big }
