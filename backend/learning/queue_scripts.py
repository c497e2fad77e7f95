"""Lua scripts of the event queue. Each runs as one step, whatever other processes do."""

# Push and acknowledge maintain the sum of the sizes of the values; it starts again with a new
# stream.
# What fails on a key of foreign data stands before what changes the stream, so that a script that
# failed has changed nothing.
PUSH_SCRIPT = """
if redis.call('XLEN', KEYS[1]) == 0 then
    redis.call('SET', KEYS[2], 0)
end
local bytes = redis.call('INCRBY', KEYS[2], #ARGV[1])
redis.call('XADD', KEYS[1], '*', 'event', ARGV[1])
local dropped = 0
local length = redis.call('XLEN', KEYS[1])
while length > 1 and (length > tonumber(ARGV[2]) or bytes > tonumber(ARGV[3])) do
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    redis.call('XDEL', KEYS[1], oldest[1])
    bytes = redis.call('DECRBY', KEYS[2], #oldest[2][2])
    length = length - 1
    dropped = dropped + 1
end
return dropped
"""
ACKNOWLEDGE_SCRIPT = """
redis.call('INCRBY', KEYS[2], 0)
for i = 2, #ARGV do
    local found = redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    if found then
        redis.call('XDEL', KEYS[1], ARGV[i])
        redis.call('DECRBY', KEYS[2], #found[2][2])
    end
end
"""

# Moves a key that is no stream out of the way, and counts the bytes of the stream anew.
REPAIR_SCRIPT = """
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'stream' and kind ~= 'none' then
    redis.call('RENAME', KEYS[1], KEYS[3])
end
local bytes = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
    bytes = bytes + #(entry[2][2] or '')
end
redis.call('SET', KEYS[2], bytes)
"""
