"""Lua scripts of the event queue. Each runs as one step, whatever other processes do.

What fails on a key of foreign data, or in a store without room, stands before what changes the
queue, so that a script that failed has changed nothing.
"""

# A bounded stream, and the sum of the sizes of its events, which starts again with a new stream.
# `push` returns how many of the oldest it dropped for want of room.
FUNCTIONS = """
local function field(entry, name)
    for i = 1, #entry[2], 2 do
        if entry[2][i] == name then return entry[2][i + 1] end
    end
    return ''
end
local function push(stream, bytes_key, max_events, max_bytes, fields)
    if redis.call('XLEN', stream) == 0 then
        redis.call('SET', bytes_key, 0)
    end
    local bytes = redis.call('INCRBY', bytes_key, #fields[2])
    redis.call('XADD', stream, '*', unpack(fields))
    local dropped = 0
    local length = redis.call('XLEN', stream)
    while length > 1 and (length > tonumber(max_events) or bytes > tonumber(max_bytes)) do
        local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
        redis.call('XDEL', stream, oldest[1])
        bytes = redis.call('DECRBY', bytes_key, #field(oldest, 'event'))
        length = length - 1
        dropped = dropped + 1
    end
    return dropped
end
local function remove(stream, bytes_key, entry)
    redis.call('XDEL', stream, entry[1])
    redis.call('DECRBY', bytes_key, #field(entry, 'event'))
end
local function acknowledge(stream, bytes_key, tries_key, max_tries, group, id)
    local found = redis.call('XRANGE', stream, id, id)[1]
    redis.call('XACK', stream, group, id)
    if found then
        remove(stream, bytes_key, found)
    end
    for n = 1, tonumber(max_tries) do
        redis.call('HDEL', tries_key, id .. '#' .. n)
    end
end
"""

# KEYS: stream, bytes. ARGV: event, max_events, max_bytes.
PUSH_SCRIPT = FUNCTIONS + "return push(KEYS[1], KEYS[2], ARGV[2], ARGV[3], {'event', ARGV[1]})"

# Adds an event only if none must be dropped for it; 1, or 0.
# KEYS: stream, bytes. ARGV: event, max_events, max_bytes.
PUSH_IF_ROOM_SCRIPT = (
    FUNCTIONS
    + """
local bytes = redis.call('INCRBY', KEYS[2], 0)
local length = redis.call('XLEN', KEYS[1])
if length == 0 then bytes = 0 end
if length >= tonumber(ARGV[2]) or bytes + #ARGV[1] > tonumber(ARGV[3]) then
    return 0
end
push(KEYS[1], KEYS[2], ARGV[2], ARGV[3], {'event', ARGV[1]})
return 1
"""
)

# KEYS: stream, bytes, tries. ARGV: group, max_tries, ids.
ACKNOWLEDGE_SCRIPT = (
    FUNCTIONS
    + """
redis.call('INCRBY', KEYS[2], 0)
for i = 3, #ARGV do
    acknowledge(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[1], ARGV[i])
end
"""
)

# Why the earlier tries of an event failed; if that was not too often, the next one is noted.
# KEYS: tries. ARGV: id, max_tries, what is noted of a try that never ends.
BEGIN_SCRIPT = """
local reasons = {}
for n = 1, tonumber(ARGV[2]) do
    local name = ARGV[1] .. '#' .. n
    local reason = redis.call('HGET', KEYS[1], name)
    if not reason then
        redis.call('HSET', KEYS[1], name, ARGV[3])
        return reasons
    end
    reasons[n] = reason
end
return reasons
"""

# Sets aside what of an event cannot be learned, and acknowledges the event.
# KEYS: stream, bytes, tries, set aside, its bytes. ARGV: group, max_tries, id, max_events,
# max_bytes, then for each part: event, project, what it is, the reason, the time in s.
SET_ASIDE_SCRIPT = (
    FUNCTIONS
    + """
redis.call('INCRBY', KEYS[2], 0)
local dropped = 0
for i = 6, #ARGV, 5 do
    local fields = {
        'event', ARGV[i], 'project', ARGV[i + 1], 'what', ARGV[i + 2], 'reason', ARGV[i + 3],
        'at_s', ARGV[i + 4]
    }
    dropped = dropped + push(KEYS[4], KEYS[5], ARGV[4], ARGV[5], fields)
end
acknowledge(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[1], ARGV[3])
return dropped
"""
)

# The newest that were set aside, without the events, which are large.
# KEYS: set aside. ARGV: how many.
LIST_SCRIPT = (
    FUNCTIONS
    + """
local found = {}
for n, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])) do
    found[n] = {
        entry[1], field(entry, 'project'), field(entry, 'what'), field(entry, 'reason'),
        field(entry, 'at_s')
    }
end
return found
"""
)

# Moves events that were set aside back into the queue; how many, and how many others were dropped
# for want of room. KEYS: stream, bytes, set aside, its bytes. ARGV: max_events, max_bytes, ids.
RETRY_SCRIPT = (
    FUNCTIONS
    + """
redis.call('INCRBY', KEYS[4], 0)
local moved = 0
local dropped = 0
for i = 3, #ARGV do
    local entry = redis.call('XRANGE', KEYS[3], ARGV[i], ARGV[i])[1]
    if entry then
        local fields = {'event', field(entry, 'event')}
        dropped = dropped + push(KEYS[1], KEYS[2], ARGV[1], ARGV[2], fields)
        remove(KEYS[3], KEYS[4], entry)
        moved = moved + 1
    end
end
return {moved, dropped}
"""
)

# Moves each key of another type out of the way, and counts the bytes of the streams anew.
# KEYS: stream, bytes, tries, set aside, its bytes. ARGV: what is added to a name that is moved.
REPAIR_SCRIPT = (
    FUNCTIONS
    + """
for i, kind in ipairs({'stream', 'string', 'hash', 'stream', 'string'}) do
    local found = redis.call('TYPE', KEYS[i]).ok
    if found ~= kind and found ~= 'none' then
        redis.call('RENAME', KEYS[i], KEYS[i] .. ARGV[1])
    end
end
for _, i in ipairs({1, 4}) do
    local bytes = 0
    for _, entry in ipairs(redis.call('XRANGE', KEYS[i], '-', '+')) do
        bytes = bytes + #field(entry, 'event')
    end
    redis.call('SET', KEYS[i + 1], bytes)
end
"""
)
