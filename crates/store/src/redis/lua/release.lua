-- Gives up a claim; of another owner's it changes nothing.
--
-- KEYS  the claim, a hash
-- ARGV  owner

if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('DEL', KEYS[1]) end
