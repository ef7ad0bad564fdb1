/** The platform's name in errors. */
export const platformName = `Node ${process.version}`
