/**
 * An FTP server for tests.
 *
 * @since 0.1.0
 */
export * as FtpServer from "./FtpServer.js"
/**
 * An SMTP and LMTP server for tests.
 *
 * @since 0.2.0
 */
export * as SmtpServer from "./SmtpServer.js"
/**
 * A peer of HTTP for tests.
 *
 * @since 0.2.0
 */
export * as HttpPeer from "./HttpPeer.js"
