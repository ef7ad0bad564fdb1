/**
 * The modules of `@copas/clients`: FTP, SMTP and HTTP, and what they share.
 *
 * @since 0.1.0
 */
export * as Address from "./Address.js"
export * as Body from "./Body.js"
export * as Connector from "./Connector.js"
export * as Cookies from "./Cookies.js"
export * as Dkim from "./Dkim.js"
export * as Ftp from "./Ftp.js"
export * as FtpError from "./FtpError.js"
export * as FtpPool from "./FtpPool.js"
export * as FtpSession from "./FtpSession.js"
export * as Http from "./Http.js"
export * as HttpError from "./HttpError.js"
export * as HttpRequest from "./HttpRequest.js"
export * as HttpResponse from "./HttpResponse.js"
export * as Message from "./Message.js"
export * as MessageError from "./MessageError.js"
export * as Mime from "./Mime.js"
export * as Proxy from "./Proxy.js"
export * as ReplyError from "./ReplyError.js"
export * as Smtp from "./Smtp.js"
export * as SmtpError from "./SmtpError.js"
export * as SmtpPool from "./SmtpPool.js"
export * as SmtpSession from "./SmtpSession.js"
export * as Url from "./Url.js"
