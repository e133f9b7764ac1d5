-- Claims what must be unique.
--
-- KEYS     the claim, a hash
-- ARGV     owner; since when; until when in seconds, or empty for good; when it goes, in milliseconds, or never; whose claim
--          it takes over, if anybody's
-- Answers  nothing if it is the owner's now, else whose it is and since when

local claim = KEYS[1]
local owner, since, over, goes, instead_of = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local held = redis.call('HMGET', claim, 'owner', 'since')
if held[1] == owner then return {} end
if held[1] and held[1] ~= instead_of then return held end

-- The key stays: while its slot moves, one that is gone is sought on the other node, and the script would end without it.
redis.call('HSET', claim, 'owner', owner, 'since', since)
redis.call('HDEL', claim, 'until')
redis.call('PERSIST', claim)
if over ~= '' then redis.call('HSET', claim, 'until', over) end
if goes ~= 'never' then redis.call('PEXPIREAT', claim, goes) end
return {}
