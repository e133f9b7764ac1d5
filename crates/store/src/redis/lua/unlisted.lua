-- Which ids a list does not name.
--
-- KEYS     the ids; until when each is kept
-- ARGV     ids
-- Answers  those of them that it does not name, or no longer

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local named = redis.call('ZMSCORE', KEYS[1], unpack(ARGV))
local kept = redis.call('ZMSCORE', KEYS[2], unpack(ARGV))

local missing = {}
for at, id in ipairs(ARGV) do
  local stays = kept[at] and (kept[at] == 'inf' or tonumber(kept[at]) >= now)
  if not (named[at] and stays) then table.insert(missing, id) end
end
return missing
