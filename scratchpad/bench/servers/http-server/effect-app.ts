// The same server and an app without a router; effect.ts looks at the name of its program.
import "./effect.js"
