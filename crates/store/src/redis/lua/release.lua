-- Gives up a claim; of another owner's it changes nothing.
--
-- KEYS     the claim, a hash
-- ARGV     owner
-- Answers  how many were given up

if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
