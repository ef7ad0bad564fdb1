// @fastify/send on node:http: a file, with its tag, its conditions and its ranges.
import { send } from "@fastify/send"
import * as http from "node:http"
import { makeFolder } from "../../load/http-server-content.js"
import { ready } from "./handler.js"

const root = makeFolder()

ready(http.createServer((request, response) => {
  void send(request, request.url!, { root }).then(({ headers, statusCode, stream }) => {
    response.writeHead(statusCode, headers)
    stream.pipe(response)
  })
}))
