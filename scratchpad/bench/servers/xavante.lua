-- Xavante, with one rule: the same answer as the other servers of `http-server-small`.
local xavante = require "xavante"

io.stdout:setvbuf("no")
xavante.start_message(function(ports) print("READY " .. ports[1]) end)
xavante.HTTP {
  server = { host = "127.0.0.1", port = 0 },
  defaultHost = {
    rules = {
      {
        match = "^/$",
        with = function(_, response)
          response.headers["Content-Type"] = "text/plain"
          response.content = "Hello, World!"
          return response
        end
      }
    }
  }
}
xavante.start()
