-- The original: Copas on Lua, with LuaSocket.
local copas = require "copas"
local socket = require "socket"

local mode = arg[1]

local handlers = {
  echo = function(skt)
    while true do
      local data, _, part = skt:receivepartial(65536)
      data = data or part
      if not data or data == "" then return end
      if not skt:send(data) then return end
    end
  end,
  lines = function(skt)
    while true do
      local line = skt:receive("*l")
      if not line then return end
      if not skt:send(line .. "\n") then return end
    end
  end,
  storm = function(skt)
    local line = skt:receive("*l")
    if line then skt:send(line .. "\n") end
  end
}

if handlers[mode] then
  local handle = handlers[mode]
  local server = assert(socket.tcp4())
  assert(server:bind("127.0.0.1", 0))
  assert(server:listen(4096))
  copas.addserver(server, function(skt)
    skt:setoption("tcp-nodelay", true)
    handle(copas.wrap(skt))
  end)
  local _, port = server:getsockname()
  print("READY " .. math.floor(port))
  io.stdout:flush()
  copas.loop()
  return
end

-- Threads: a round for each line on standard input, then the count of its operations. Reading blocks the dispatcher,
-- which is what is wanted between two rounds.
local function rounds(round)
  print("READY 0")
  io.stdout:flush()
  copas.addthread(function()
    while io.read("l") do
      print("DONE " .. round())
      io.stdout:flush()
    end
    os.exit(0)
  end)
  copas.loop()
end

local programs = {
  ["thread-start"] = function()
    local count = 100000
    for _ = 1, count do
      copas.addthread(function() copas.pause(3600) end)
    end
    -- Two turns: each thread starts in one and has gone to sleep by the next.
    copas.pause()
    copas.pause()
    return count
  end,
  ["thread-join"] = function()
    local count = 20000
    local parent = coroutine.running()
    for _ = 1, count do
      copas.addthread(function() copas.wakeup(parent) end)
      copas.pauseforever()
    end
    return count
  end,
  queues = function()
    local count = 20000
    local to, from = copas.queue.new(), copas.queue.new()
    copas.addthread(function()
      for _ = 1, count do from:push(to:pop(math.huge)) end
    end)
    for i = 1, count do
      to:push(i)
      from:pop(math.huge)
    end
    to:destroy()
    from:destroy()
    return count
  end,
  sleepers = function()
    local count = 100000
    local left = count
    local parent = coroutine.running()
    for i = 1, count do
      copas.addthread(function()
        copas.pause(i % 500 / 1000)
        left = left - 1
        if left == 0 then copas.wakeup(parent) end
      end)
    end
    copas.pauseforever()
    return count
  end,
  timeout = function()
    local count = 20000
    for _ = 1, count do
      copas.timeout(30, function() end)
      copas.pause()
      copas.timeout(0)
    end
    return count
  end
}

rounds(assert(programs[mode], "no such mode"))
