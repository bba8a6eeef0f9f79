-- The load of `cargo xtask bench`: consume calls of customers at random. Arguments: the API key, the number of customers,
-- and the milliseconds that each connection pauses between two calls (0: none).

local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("place", threads)
end

function init(args)
   local key, customers, pause = args[1], tonumber(args[2]), tonumber(args[3])
   local headers = { ["Authorization"] = "Bearer " .. key, ["Content-Type"] = "application/json" }
   math.randomseed(place)

   -- Each request is made when it is first needed: making all of them first would delay this thread and not the other.
   local heads, requests = {}, {}
   local function make(n)
      local body = string.format('{"customer":"customer-%d","feature":"calls"}', n)
      local head = heads[#body]
      if not head then
         head = wrk.format("POST", nil, headers, body):sub(1, -1 - #body)
         heads[#body] = head
      end
      requests[n] = head .. body
      return requests[n]
   end
   request = function()
      local n = math.random(customers)
      return requests[n] or make(n)
   end
   if pause > 0 then
      -- Between half and one and a half of it, so that the connections do not march in step.
      delay = function() return math.floor(pause * (0.5 + math.random()) + 0.5) end
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format("measured %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
      latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
