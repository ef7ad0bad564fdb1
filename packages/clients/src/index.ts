/**
 * @since 0.1.0
 */
export * as FtpError from "./FtpError.js"
export * as FtpSession from "./FtpSession.js"
