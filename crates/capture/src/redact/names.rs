//! Which names stand for secrets.

/// Headers that are secret whatever their name ends in.
const HEADERS: &[&str] = &["ocpapimsubscriptionkey", "xfunctionskey", "xclientcert"];
/// Names that are secret in a query or form, where a lone word is what it says.
const PARAMETERS: &[&str] = &["key", "sig", "auth", "pass", "pwd", "jwt", "sid", "code", "otp", "pin"];
/// Endings that make any name secret, written without dashes and underscores.
const ENDINGS: &[&str] = &[
    "token",
    "apikey",
    "secret",
    "secretkey",
    "accesskey",
    "privatekey",
    "clientkey",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "credential",
    "credentials",
    "authorization",
    "signature",
    "sessionid",
    "cookie",
    "jwt",
];
/// Names with such an ending that say where to go on, not who one is.
const NOT_SECRET: &[&str] = &[
    "pagetoken",
    "nextpagetoken",
    "nexttoken",
    "continuationtoken",
    "synctoken",
    "starttoken",
    "resumetoken",
    "postbatchresumetoken",
];
/// Longer names are not looked at.
const NAME_BYTES_MAX: usize = 64;

/// In lower case, letters and digits only.
fn plain(name: &[u8]) -> String {
    let name = &name[..name.len().min(NAME_BYTES_MAX)];
    name.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

fn has_secret_ending(plain: &str) -> bool {
    ENDINGS.iter().any(|ending| plain.ends_with(ending)) && !NOT_SECRET.contains(&plain)
}

/// Whether a header of this name holds a secret.
pub(super) fn is_secret_header(name: &str) -> bool {
    let plain = plain(name.as_bytes());
    HEADERS.contains(&plain.as_str()) || has_secret_ending(&plain)
}

/// Whether a parameter of a query or form holds a secret.
pub(super) fn is_secret_parameter(name: &[u8]) -> bool {
    let plain = plain(name);
    PARAMETERS.contains(&plain.as_str()) || has_secret_ending(&plain)
}

/// Whether a member of a JSON object holds a secret. Lone short words do not count here: `key` is a field's name in many query languages.
pub(super) fn is_secret_member(name: &[u8]) -> bool {
    has_secret_ending(&plain(name))
}
