-- Runs requests by Copas's own client: a line of standard input is a method, a URL, a body and a value for
-- `Authorization`, with tabs between; an empty one is none. Prints a status or an error, and the body in base64.
local copas = require "copas"
local http = require "copas.http"
local ltn12 = require "ltn12"
local mime = require "mime"

http.TIMEOUT = 10
copas.addthread(function()
  for line in io.lines() do
    local method, url, body, authorization = line:match "^(.-)\t(.-)\t(.-)\t(.*)$"
    local parts, headers = {}, {}
    if body ~= "" then headers["content-length"] = tostring(#body) end
    if authorization ~= "" then headers["authorization"] = authorization end
    local done, status = http.request {
      method = method,
      url = url,
      source = body ~= "" and ltn12.source.string(body) or nil,
      headers = headers,
      sink = ltn12.sink.table(parts)
    }
    local answer = done and tostring(status) or "error"
    print(answer .. "\t" .. (mime.b64(table.concat(parts)) or ""))
  end
end)
copas.loop()
