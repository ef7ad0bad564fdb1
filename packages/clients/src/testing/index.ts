/**
 * @since 0.1.0
 */
export * as FtpServer from "./FtpServer.js"
/**
 * @since 0.2.0
 */
export * as SmtpServer from "./SmtpServer.js"
/**
 * @since 0.2.0
 */
export * as HttpPeer from "./HttpPeer.js"
