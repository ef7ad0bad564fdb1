// The same server and an app without a router; copas.ts looks at the name of its program.
import "./copas.js"
