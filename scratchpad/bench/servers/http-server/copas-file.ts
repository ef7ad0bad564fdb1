// The same server and `HttpServerResponse.file`; copas.ts looks at the name of its program.
import "./copas.js"
