/**
 * @since 0.1.0
 */
export * as FtpServer from "./FtpServer.js"
