-- Claims what must be unique.
--
-- KEYS     the claim, a hash
-- ARGV     owner; since when; until when in seconds, or empty for good; whose claim it takes over, if anybody's
-- Answers  nothing if it is the owner's now, else whose it is and since when

local claim = KEYS[1]
local owner, since, over, instead_of = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local held = redis.call('HMGET', claim, 'owner', 'since')
if held[1] == owner then return {} end
if held[1] and held[1] ~= instead_of then return held end

-- The key stays: while its slot moves, one that is gone is sought on the other node, and the script would end without it.
redis.call('HSET', claim, 'owner', owner, 'since', since)
redis.call('HDEL', claim, 'until')
redis.call('PERSIST', claim)
if over ~= '' then redis.call('HSET', claim, 'until', over) end
if over ~= '' and tonumber(over) < 2 ^ 43 then
  -- Ten minutes later than nobody needs it: clocks differ.
  redis.call('PEXPIREAT', claim, string.format('%.0f', (tonumber(over) + 600) * 1000))
end
return {}
