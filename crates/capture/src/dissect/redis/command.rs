//! Redis' commands: what they do, which of their arguments are keys, how many things they are about, and which must not be stored.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use trace::Effect::{self, Admin, Control, Read, Write};

/// Arguments of a command that are looked at; further ones are counted.
pub(super) const ARGUMENTS_MAX: usize = 4096;
/// What stands for a secret in a stored command.
pub(super) const MASK: &[u8] = b"redacted";

/// Where the keys are, and what counts as an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// There is none.
    None,
    /// One key at this place; one item.
    At(usize),
    /// Every argument from this place on is a key, and an item.
    From(usize),
    /// Key and value in turn from the first place on; each pair is an item.
    Pairs,
    /// A key, then things of this many arguments each behind so many others.
    Things { skip: usize, each: usize },
    /// A key, then words in capital letters, then things of this many arguments each.
    Worded { each: usize },
    /// The number of keys at this place, and the keys behind it.
    Counted(usize),
    /// The first half of what follows the word STREAMS.
    Streams,
}

/// What commands of one kind are like: effect, keys, and their names; a container's commands are written with a dot.
#[rustfmt::skip]
const COMMANDS: &[(Effect, Keys, &str)] = &[
    (Read, Keys::At(1), "GET STRLEN GETRANGE SUBSTR GETBIT BITCOUNT BITPOS BITFIELD_RO TYPE TTL PTTL EXPIRETIME PEXPIRETIME DUMP LLEN LRANGE \
        LINDEX LPOS LCS SCARD SISMEMBER SMEMBERS SRANDMEMBER SSCAN HLEN HGET HGETALL HKEYS HVALS HEXISTS HSTRLEN HRANDFIELD HSCAN HTTL HPTTL \
        HEXPIRETIME HPEXPIRETIME ZCARD ZSCORE ZRANK ZREVRANK ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX ZREVRANGEBYLEX ZCOUNT \
        ZLEXCOUNT ZRANDMEMBER ZSCAN XLEN XRANGE XREVRANGE XPENDING GEODIST GEORADIUS_RO GEORADIUSBYMEMBER_RO GEOSEARCH SORT_RO VSIM VCARD VDIM \
        VEMB VINFO VLINKS VRANDMEMBER JSON.GET JSON.TYPE JSON.STRLEN JSON.ARRLEN JSON.OBJLEN JSON.OBJKEYS JSON.ARRINDEX JSON.RESP TS.GET TS.RANGE \
        TS.REVRANGE TS.INFO FT.SEARCH FT.AGGREGATE FT.INFO FT.HYBRID BF.EXISTS BF.CARD BF.INFO CF.EXISTS CF.COUNT"),
    (Read, Keys::From(1), "MGET EXISTS TOUCH SINTER SUNION SDIFF PFCOUNT"),
    (Read, Keys::Things { skip: 0, each: 1 }, "SMISMEMBER HMGET ZMSCORE GEOPOS GEOHASH BF.MEXISTS CF.MEXISTS"),
    (Read, Keys::Counted(1), "ZUNION ZINTER ZDIFF ZINTERCARD SINTERCARD"),
    (Read, Keys::Counted(2), "EVAL_RO EVALSHA_RO FCALL_RO"),
    (Read, Keys::At(2), "OBJECT.ENCODING OBJECT.FREQ OBJECT.IDLETIME OBJECT.REFCOUNT MEMORY.USAGE XINFO.STREAM XINFO.GROUPS XINFO.CONSUMERS \
        DEBUG.OBJECT"),
    (Read, Keys::Streams, "XREAD"),
    (Read, Keys::None, "SCAN KEYS RANDOMKEY DBSIZE TIME LASTSAVE INFO LOLWUT PUBSUB.CHANNELS PUBSUB.NUMSUB PUBSUB.NUMPAT PUBSUB.SHARDCHANNELS \
        PUBSUB.SHARDNUMSUB JSON.MGET TS.MGET TS.MRANGE TS.QUERYINDEX FT._LIST"),
    (Write, Keys::At(1), "SET SETNX SETEX PSETEX GETSET GETDEL GETEX APPEND SETRANGE SETBIT BITFIELD INCR DECR INCRBY DECRBY INCRBYFLOAT EXPIRE \
        PEXPIRE EXPIREAT PEXPIREAT PERSIST RENAME RENAMENX COPY MOVE RESTORE LPOP RPOP LREM LSET LTRIM LINSERT RPOPLPUSH LMOVE BRPOPLPUSH BLMOVE \
        SPOP SMOVE HSETNX HINCRBY HINCRBYFLOAT HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT HPERSIST HGETDEL HGETEX HSETEX ZINCRBY ZPOPMIN ZPOPMAX \
        ZREMRANGEBYSCORE ZREMRANGEBYRANK ZREMRANGEBYLEX ZRANGESTORE XADD XTRIM XCLAIM XAUTOCLAIM XSETID SORT GEORADIUS GEORADIUSBYMEMBER \
        GEOSEARCHSTORE PUBLISH SPUBLISH SINTERSTORE SUNIONSTORE SDIFFSTORE ZUNIONSTORE ZINTERSTORE ZDIFFSTORE PFMERGE VADD VREM VSETATTR \
        BLPOP BRPOP BZPOPMIN BZPOPMAX JSON.SET JSON.DEL JSON.MERGE JSON.NUMINCRBY JSON.ARRAPPEND JSON.ARRINSERT JSON.ARRPOP JSON.STRAPPEND JSON.CLEAR JSON.TOGGLE TS.ADD \
        TS.INCRBY TS.DECRBY TS.DEL BF.ADD CF.ADD CF.ADDNX CF.DEL SETIFEQ DELIFEQ DELEX"),
    (Write, Keys::From(1), "DEL UNLINK"),
    (Write, Keys::Pairs, "MSET MSETNX"),
    (Write, Keys::Things { skip: 0, each: 1 }, "LPUSH RPUSH LPUSHX RPUSHX SADD SREM HDEL ZREM PFADD XDEL BF.MADD"),
    (Write, Keys::Things { skip: 1, each: 1 }, "XACK"),
    (Write, Keys::Things { skip: 0, each: 2 }, "HSET HMSET"),
    (Write, Keys::Worded { each: 2 }, "ZADD"),
    (Write, Keys::Worded { each: 3 }, "GEOADD"),
    (Write, Keys::At(2), "BITOP XGROUP.SETID"),
    (Write, Keys::At(3), "MIGRATE"),
    (Write, Keys::Counted(1), "LMPOP ZMPOP"),
    (Write, Keys::Counted(2), "EVAL EVALSHA FCALL BLMPOP BZMPOP"),
    (Write, Keys::Streams, "XREADGROUP"),
    (Admin, Keys::None, "FLUSHALL FLUSHDB SWAPDB SAVE BGSAVE BGREWRITEAOF SHUTDOWN REPLICAOF SLAVEOF FAILOVER MONITOR CONFIG.GET CONFIG.SET \
        CONFIG.REWRITE CONFIG.RESETSTAT ACL.SETUSER ACL.DELUSER ACL.LIST ACL.GETUSER ACL.USERS ACL.LOAD ACL.SAVE ACL.LOG ACL.CAT ACL.GENPASS \
        ACL.DRYRUN ACL.WHOAMI SCRIPT.FLUSH SCRIPT.KILL SCRIPT.DEBUG FUNCTION.LOAD FUNCTION.DELETE FUNCTION.FLUSH FUNCTION.LIST FUNCTION.DUMP \
        FUNCTION.RESTORE FUNCTION.KILL FUNCTION.STATS MODULE.LIST MODULE.LOAD MODULE.LOADEX MODULE.UNLOAD SLOWLOG.GET SLOWLOG.LEN SLOWLOG.RESET \
        LATENCY.LATEST LATENCY.HISTORY LATENCY.RESET LATENCY.DOCTOR LATENCY.GRAPH LATENCY.HISTOGRAM MEMORY.DOCTOR MEMORY.STATS MEMORY.PURGE \
        MEMORY.MALLOC-STATS DEBUG.SLEEP DEBUG.JMAP DEBUG.RELOAD DEBUG.SET-ACTIVE-EXPIRE DEBUG.CHANGE-REPL-ID CLUSTER.INFO CLUSTER.NODES \
        CLUSTER.SLOTS CLUSTER.SHARDS CLUSTER.MYID CLUSTER.KEYSLOT CLUSTER.COUNTKEYSINSLOT CLUSTER.GETKEYSINSLOT CLUSTER.MEET CLUSTER.ADDSLOTS \
        CLUSTER.SETSLOT CLUSTER.FAILOVER CLUSTER.RESET CLUSTER.REPLICATE CLUSTER.FORGET CLUSTER.REPLICAS CLUSTER.LINKS COMMAND COMMAND.COUNT \
        COMMAND.DOCS COMMAND.INFO COMMAND.LIST COMMAND.GETKEYS CLIENT.LIST CLIENT.KILL CLIENT.PAUSE CLIENT.UNPAUSE CLIENT.UNBLOCK ROLE \
        SENTINEL.MASTERS SENTINEL.MASTER SENTINEL.SET SENTINEL.MONITOR SENTINEL.REPLICAS SENTINEL.SENTINELS SENTINEL.GET-MASTER-ADDR-BY-NAME"),
    (Admin, Keys::At(1), "FT.CREATE FT.DROPINDEX FT.ALTER TS.CREATE TS.ALTER TS.CREATERULE TS.DELETERULE BF.RESERVE CF.RESERVE"),
    (Admin, Keys::At(2), "XGROUP.CREATE XGROUP.DESTROY XGROUP.CREATECONSUMER XGROUP.DELCONSUMER"),
    (Control, Keys::None, "PING ECHO QUIT RESET AUTH HELLO SELECT MULTI EXEC DISCARD UNWATCH READONLY READWRITE ASKING WAIT WAITAOF SYNC PSYNC \
        REPLCONF SCRIPT.LOAD SCRIPT.EXISTS CLIENT.SETNAME CLIENT.GETNAME CLIENT.SETINFO CLIENT.ID CLIENT.INFO CLIENT.REPLY CLIENT.TRACKING \
        CLIENT.TRACKINGINFO CLIENT.CACHING CLIENT.GETREDIR CLIENT.NO-EVICT CLIENT.NO-TOUCH CLIENT.CAPA"),
    (Control, Keys::From(1), "WATCH SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE"),
];

/// Commands that establish a session.
const SETUP: &[&str] = &[
    "AUTH",
    "HELLO",
    "SELECT",
    "READONLY",
    "READWRITE",
    "SCRIPT LOAD",
    "CLIENT SETNAME",
    "CLIENT SETINFO",
    "CLIENT REPLY",
    "CLIENT TRACKING",
    "CLIENT NO-EVICT",
    "CLIENT NO-TOUCH",
    "CLIENT CAPA",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
];

/// Longer words are no command's name.
const WORD_BYTES_MAX: usize = 32;
/// Keys are cut there in [`Command::target`].
const KEY_BYTES_MAX: usize = 1024;
/// Where the first part of a key ends.
const SEPARATORS: &[u8] = b":/|.";

/// What is known of one command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// `GET`, `CONFIG SET`; as it was sent, in capital letters, where it is not known.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// Keys, values, or pairs in it.
    pub items: u32,
    /// Whether it establishes a session.
    pub is_setup: bool,
    /// The place of its first key among the arguments.
    key: Option<usize>,
}

/// The rows of [`COMMANDS`] by name.
fn find(name: &str) -> Option<(Effect, Keys)> {
    static BY_NAME: LazyLock<HashMap<&str, (Effect, Keys)>> = LazyLock::new(|| {
        COMMANDS
            .iter()
            .flat_map(|(effect, keys, names)| names.split_ascii_whitespace().map(|name| (name, (*effect, *keys))))
            .collect()
    });
    BY_NAME.get(name).copied()
}

fn word(argument: &[u8]) -> Option<String> {
    let is_word = !argument.is_empty()
        && argument.len() <= WORD_BYTES_MAX
        && argument.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    is_word.then(|| String::from_utf8_lossy(argument).to_ascii_uppercase())
}

/// Whether the first word of an inline command is one of Redis'.
pub(super) fn is_known(first: &[u8]) -> bool {
    word(first).is_some_and(|word| find(&word).is_some() || is_container(&word))
}

fn is_container(name: &str) -> bool {
    const CONTAINERS: &[&str] = &[
        "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY", "MODULE", "OBJECT", "PUBSUB",
        "SCRIPT", "SENTINEL", "SLOWLOG", "XGROUP", "XINFO",
    ];
    CONTAINERS.contains(&name)
}

impl Command {
    /// Reads `arguments`, the first ones of `count`; `None` where there is no name.
    pub fn of(arguments: &[Cow<'_, [u8]>], count: u64) -> Option<Self> {
        let first = arguments.first()?;
        let name = word(first).unwrap_or_else(|| "?".to_owned());
        let inner = if is_container(&name) { arguments.get(1).and_then(|argument| word(argument)) } else { None };
        let (key, name) = match inner {
            Some(inner) => (format!("{name}.{inner}"), format!("{name} {inner}")),
            None => (name.clone(), name),
        };
        let (effect, keys) = find(&key).unwrap_or((Write, Keys::None));
        let (at, items) = keys.find(arguments, count);
        let is_setup = SETUP.contains(&&*name);
        Some(Self { name, effect, items, is_setup, key: at.filter(|at| *at < arguments.len()) })
    }

    /// The command and its first key, as text; the key's bytes as they are.
    pub fn target(&self, arguments: &[Cow<'_, [u8]>]) -> Vec<u8> {
        let key = self.key.map_or(&[][..], |at| &arguments[at]);
        let blank = if self.key.is_some() { &b" "[..] } else { b"" };
        [self.name.as_bytes(), blank, &key[..key.len().min(KEY_BYTES_MAX)]].concat()
    }

    /// What its key belongs to.
    pub fn collection(&self, arguments: &[Cow<'_, [u8]>]) -> String {
        self.key.map_or(String::new(), |at| prefix(&arguments[at]))
    }
}

impl Keys {
    fn find(self, arguments: &[Cow<'_, [u8]>], count: u64) -> (Option<usize>, u32) {
        let number = |at: usize| {
            arguments.get(at).and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok()).unwrap_or(0).min(count)
        };
        let (at, items) = match self {
            Self::None => (None, 0),
            Self::At(at) => (Some(at), u64::from(count > at as u64)),
            Self::From(at) => (Some(at), count.saturating_sub(at as u64)),
            Self::Pairs => (Some(1), (count - 1) / 2),
            Self::Things { skip, each } => (Some(1), count.saturating_sub(2 + skip as u64) / each as u64),
            Self::Worded { each } => {
                let words =
                    arguments.iter().skip(2).take_while(|argument| argument.first().is_some_and(u8::is_ascii_alphabetic)).count();
                (Some(1), count.saturating_sub((2 + words) as u64) / each as u64)
            }
            Self::Counted(at) => (Some(at + 1).filter(|_| number(at) > 0), number(at)),
            Self::Streams => {
                let at = arguments.iter().position(|argument| argument.eq_ignore_ascii_case(b"streams")).map(|at| at + 1);
                (at, at.map_or(0, |at| count.saturating_sub(at as u64) / 2))
            }
        };
        (at, u32::try_from(items).unwrap_or(u32::MAX))
    }
}

/// The first part of a key, before a separator; `{}` where that names one thing of many. Without a separator, digits at its end number it.
pub(super) fn prefix(key: &[u8]) -> String {
    const PREFIX_CHARS_MAX: usize = 64;
    let end = key.iter().position(|byte| SEPARATORS.contains(byte)).filter(|end| *end > 0);
    let part = String::from_utf8_lossy(&key[..end.unwrap_or(key.len()).min(4 * PREFIX_CHARS_MAX)]).into_owned();
    let stem = if end.is_none() {
        part.trim_end_matches(|last: char| last.is_ascii_digit() || matches!(last, '_' | '-'))
    } else {
        &part
    };
    let stem = if stem.is_empty() { &part } else { stem };
    if trace::rules::is_identifier(stem) { "{}".to_owned() } else { stem.chars().take(PREFIX_CHARS_MAX).collect() }
}

/// The command as it may be stored: `None` where nothing in it is secret. Where it is not whole, what may be part of a secret is left out.
pub(super) fn masked(name: &str, arguments: &[Cow<'_, [u8]>], is_whole: bool) -> Option<Vec<Vec<u8>>> {
    const MAY_HOLD_SECRETS: &[&str] = &["AUTH", "HELLO", "MIGRATE", "CONFIG", "SENTINEL", "ACL"];
    let is = |at: usize, word: &str| arguments.get(at).is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()));
    let secret = |at: usize| match name {
        // A user's name may stand before the password.
        "AUTH" => at + 1 == arguments.len().max(2) || at >= 2,
        "HELLO" => at >= 4 && is(at - 2, "auth"),
        "MIGRATE" => at >= 6 && (is(at - 1, "auth") || is(at - 2, "auth2")),
        "CONFIG SET" => at >= 3 && names_secret(&arguments[at - 1]),
        "SENTINEL SET" => at >= 4 && names_secret(&arguments[at - 1]),
        "ACL SETUSER" => at >= 3 && matches!(arguments[at].first(), Some(b'>' | b'<' | b'#' | b'!')),
        _ => false,
    };
    let first = name.split(' ').next().unwrap_or_default();
    let cut = !is_whole && MAY_HOLD_SECRETS.contains(&first);
    (cut || (1..arguments.len()).any(secret)).then(|| {
        let stored = |at: usize| if secret(at) { MASK.to_vec() } else { arguments[at].to_vec() };
        (0..arguments.len()).map(stored).collect()
    })
}

fn names_secret(setting: &[u8]) -> bool {
    let setting = setting.to_ascii_lowercase();
    [&b"pass"[..], b"masterauth"].iter().any(|part| memchr::memmem::find(&setting, part).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> (Vec<Cow<'_, [u8]>>, Command) {
        let arguments: Vec<Cow<'_, [u8]>> = line.split(' ').map(|word| Cow::Borrowed(word.as_bytes())).collect();
        let command = Command::of(&arguments, arguments.len() as u64).expect("it has a name");
        (arguments, command)
    }

    #[track_caller]
    fn check(line: &str, target: &str, collection: &str, effect: Effect, items: u32) {
        let (arguments, command) = read(line);
        let target_is = String::from_utf8(command.target(&arguments)).expect("it is text");
        assert_eq!((&*target_is, &*command.collection(&arguments)), (target, collection));
        assert_eq!((command.effect, command.items), (effect, items));
    }

    /// Keys and their places by the commands' own pages (redis.io, "Commands").
    #[test]
    fn commands_address_the_prefix_of_their_first_key() {
        check("get user:1001:name", "GET user:1001:name", "user", Read, 1);
        check("MSET a:1 x b:2 y", "MSET a:1", "a", Write, 2);
        check("ZADD board NX CH 1 ann 2 bob 3 cy", "ZADD board", "board", Write, 3);
        check("GEOADD places 1.5 2.5 here", "GEOADD places", "places", Write, 1);
        check("HSET user:7 name x age 3", "HSET user:7", "user", Write, 2);
        check("EVAL script 2 cart:1 cart:2 arg", "EVAL cart:1", "cart", Write, 2);
        check("EVAL script 0", "EVAL", "", Write, 0);
        check("XREADGROUP GROUP g c COUNT 10 STREAMS jobs:a jobs:b > >", "XREADGROUP jobs:a", "jobs", Write, 2);
        check("XACK jobs:a g 1-0 2-0", "XACK jobs:a", "jobs", Write, 2);
        check("object encoding user:1", "OBJECT ENCODING user:1", "user", Read, 1);
        check("config set maxmemory 1", "CONFIG SET", "", Admin, 0);
        check("DEL a b c", "DEL a", "a", Write, 3);
        check("BLMPOP 0 2 q:1 q:2 LEFT", "BLMPOP q:1", "q", Write, 2);
        check("PUBLISH news.sport hi", "PUBLISH news.sport", "news", Write, 1);
        check("PING", "PING", "", Control, 0);
        check("NOSUCH a", "NOSUCH", "", Write, 0);
        check("GET", "GET", "", Read, 0);
    }

    #[test]
    fn what_names_one_thing_of_many_is_no_prefix() {
        for (key, collection) in [
            (&b"counter42"[..], "counter"),
            (b"550e8400-e29b-41d4-a716-446655440000", "{}"),
            (b"1234", "{}"),
            (b"77:likes", "{}"),
            (b":odd", ":odd"),
            (b"", ""),
            (b"\xff\xfe:a", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(prefix(key), collection);
        }
    }

    #[test]
    fn passwords_are_masked_and_nothing_else() {
        for (line, stored) in [
            ("AUTH pw", "AUTH redacted"),
            ("AUTH ann pw", "AUTH ann redacted"),
            ("HELLO 3 AUTH ann pw SETNAME x", "HELLO 3 AUTH ann redacted SETNAME x"),
            ("CONFIG SET requirepass pw maxmemory 1", "CONFIG SET requirepass redacted maxmemory 1"),
            ("ACL SETUSER ann on >pw ~*", "ACL SETUSER ann on redacted ~*"),
            ("MIGRATE h 1 k 0 9 AUTH pw", "MIGRATE h 1 k 0 9 AUTH redacted"),
            ("MIGRATE h 1 k 0 9 AUTH2 ann pw", "MIGRATE h 1 k 0 9 AUTH2 ann redacted"),
        ] {
            let (arguments, command) = read(line);
            assert_eq!(masked(&command.name, &arguments, true).expect("it has a secret").join(&b' '), stored.as_bytes());
        }
        for line in ["GET AUTH", "HELLO 3", "CONFIG GET requirepass", "SET password pw"] {
            let (arguments, command) = read(line);
            assert_eq!(masked(&command.name, &arguments, true), None);
        }
    }

    #[test]
    fn every_command_is_listed_once() {
        let mut names: Vec<&str> = COMMANDS.iter().flat_map(|(.., names)| names.split_ascii_whitespace()).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
