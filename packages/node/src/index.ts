/**
 * The modules of `@copas/node`: the platform, its layers, and what Node's own libraries need.
 *
 * @since 0.1.0
 */
export * as Cgi from "./Cgi.js"
export * as CgiError from "./CgiError.js"
export * as HttpConnection from "./HttpConnection.js"
export * as HttpInformational from "./HttpInformational.js"
export * as HttpLimits from "./HttpLimits.js"
export * as HttpLog from "./HttpLog.js"
export * as HttpMethods from "./HttpMethods.js"
export * as HttpMetrics from "./HttpMetrics.js"
export * as HttpServerConfig from "./HttpServerConfig.js"
export * as HttpServerStatus from "./HttpServerStatus.js"
export * as HttpTrailers from "./HttpTrailers.js"
export * as NodeCopas from "./NodeCopas.js"
export * as NodeDns from "./NodeDns.js"
export * as NodeHttpPlatform from "./NodeHttpPlatform.js"
export * as NodeHttpServer from "./NodeHttpServer.js"
export * as NodeHttpTransport from "./NodeHttpTransport.js"
export * as NodeNet from "./NodeNet.js"
export * as NodeSocket from "./NodeSocket.js"
export * as NodeUndici from "./NodeUndici.js"
export * as Redirect from "./Redirect.js"
export * as ServerSentEvents from "./ServerSentEvents.js"
export * as StaticFiles from "./StaticFiles.js"
export * as TlsFiles from "./TlsFiles.js"
export * as VirtualHosts from "./VirtualHosts.js"
